import * as fs from 'node:fs';
import { uptime } from 'node:os';

/**
 * The calls to the operating system that touch files, all synchronous. The seam where tests put in a disk that is full or broken; in
 * use it is always node:fs.
 */
export type SystemCalls = Pick<
  typeof fs,
  | 'accessSync'
  | 'futimesSync'
  | 'rmdirSync'
  | 'openSync'
  | 'closeSync'
  | 'readSync'
  | 'readvSync'
  | 'writeSync'
  | 'fstatSync'
  | 'lstatSync'
  | 'statSync'
  | 'mkdirSync'
  | 'ftruncateSync'
  | 'fsyncSync'
  | 'renameSync'
  | 'unlinkSync'
  | 'symlinkSync'
> & {
  /** Seconds since the machine was started. */
  uptime(): number;
};

export const systemCalls: SystemCalls = { ...fs, uptime };

/**
 * Never follow a link in the last part of a path, and never wait for a pipe that somebody put in a file's place. Absent on Windows,
 * where links need privileges.
 */
const SAFE_FLAGS = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);
export const READ_FLAGS: number = fs.constants.O_RDONLY | SAFE_FLAGS;
export const WRITE_FLAGS: number = fs.constants.O_RDWR | SAFE_FLAGS;
export const CREATE_FLAGS: number = fs.constants.O_RDWR | fs.constants.O_CREAT | SAFE_FLAGS;
