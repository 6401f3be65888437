/**
 * trackerd: The tracker process: HTTP and UDP front ends over the tracker brain.
 *
 * May know: tracker, wire, metainfo, bencode, base, trace, node.
 * Must never know: swarm, session, client.
 */
export {};
