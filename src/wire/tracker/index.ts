/** The tracker protocols: UDP (BEP 15, 41), HTTP (BEP 3, 7, 23, 24, 31, 48), WebTorrent's, their URLs. */
export * from './http-answer.ts';
export * from './http-query.ts';
export * from './http-request.ts';
export * from './http-response.ts';
export * from './limits.ts';
export * from './types.ts';
export * from './udp.ts';
export * from './udp-client.ts';
export * from './udp-in-place.ts';
export * from './url.ts';
export * from './ws.ts';
export * from './ws-limits.ts';
export * from './ws-response.ts';
