import { DenseStore } from '#tracker';
import { swarmStoreContract } from './swarm-store.ts';

swarmStoreContract({ name: 'dense store', create: (options) => DenseStore.create(options) });
