import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { stateFolder } from '#room/cli/state-folder';

const standard = join(homedir(), '.local', 'state', 'eider');

test('resume data: what the user says, then XDG, then the home folder', () => {
  assert.equal(stateFolder('some/where', { XDG_STATE_HOME: '/x' }), resolve('some/where'));
  assert.equal(stateFolder(undefined, { XDG_STATE_HOME: '/x' }), join('/x', 'eider'));
  assert.equal(stateFolder('', {}), standard);
  assert.equal(stateFolder(undefined, { XDG_STATE_HOME: 'relative' }), standard);
});
