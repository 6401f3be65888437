/**
 * trackerd: The tracker process: HTTP and UDP front ends over the tracker brain.
 *
 * May know: tracker, wire, metainfo, bencode, base, trace, node.
 * Must never know: swarm, session, client.
 */

export type { ConfigChanges } from './config/compare.ts';
export {
  type ConfigPlaces,
  checkTrackerConfig,
  compareTrackerConfigs,
  type OpenedConfig,
  openTrackerConfig,
  showExampleConfig,
  showTrackerConfig,
} from './config/open.ts';
export { type TrackerSettings, toTrackerSettings } from './config/settings.ts';
export type { ConfigOrigin, LoadedConfig, LogLevelName, TrackerConfig } from './config/types.ts';
export { type FrontLimits, frontLimits } from './limits.ts';
export type { Tracker, TrackerAddress, TrackerEvent, TrackerOptions } from './options.ts';
export { startTracker } from './server.ts';
export type { HttpCounts, TrackerStats, UdpCounts } from './stats.ts';
export type * from './web/ports.ts';
