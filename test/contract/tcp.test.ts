import { networkInterfaces } from 'node:os';
import { TcpTransport } from '#node';
import { transportContract } from './transport.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::1') ?? false);
const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
// Short, because one case waits for it.
const limits = { lingerMs: 400 };

transportContract({ name: 'tcp', make: () => new TcpTransport({ limits }), hosts });
transportContract({ name: "tcp by 'data' events", make: () => new TcpTransport({ limits, useOnread: false }), hosts });
