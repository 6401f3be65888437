import { MemoryStore } from '#tracker';
import { swarmStoreContract } from './swarm-store.ts';

swarmStoreContract({ name: 'memory store', create: (options) => new MemoryStore(options) });
