import assert from 'node:assert/strict';
import { formatEffectiveConfig, formatExampleConfig } from '#room/trackerd/config/format';
import { loadTrackerConfig } from '#room/trackerd/config/load';
import { namedKeys } from '#room/trackerd/config/table';
import { type FuzzTarget, magnitude, refusal, textOf, utf8 } from '../support/target.ts';

type Loaded = ReturnType<typeof loadTrackerConfig>;

function attempt(read: () => Loaded): Loaded | string {
  try {
    return read();
  } catch (error) {
    return refusal(error, 'config/invalid');
  }
}

export const target: FuzzTarget = {
  about:
    'configuration of the tracker, as TOML, environment and --set: every problem is named, what is in force can be written and read',
  form: 'text',
  files: [
    'trackerd/config/sources',
    'trackerd/config/load',
    'trackerd/config/kinds',
    'trackerd/config/nearest',
    'trackerd/config/format',
  ],
  parsers: [],
  bytesMax: 2_000,
  testRuns: 300,
  msMax: 200,
  tokens: [
    ...namedKeys.flatMap(({ section, name }) => [`[${section}]\n`, `${name} = `, `${section}.${name}=`]),
    '"30s"',
    '"1M"',
    'true',
    '[',
    ']',
    '"0.0.0.0:6969"',
    '-1',
    '1e400',
    'nan',
    'inf',
    '{a=1}',
    "'''",
    '1979-05-27',
    '"10.0.0.0/8"',
    '"-qB >=4"',
  ],
  seeds: () => [
    utf8(formatExampleConfig()),
    utf8('[listen]\nhttp = ["127.0.0.1:80"]\n[intervals]\nannounce = "30m"\nminimum="1m"\n'),
    utf8('limits.num_want_max=5'),
    utf8('lists.mode=allow'),
  ],
  run(input) {
    const text = textOf(input);
    const file = attempt(() => loadTrackerConfig({ document: { name: 'x.toml', text } }));
    const option = attempt(() => loadTrackerConfig({ assignments: text.split('\n') }));
    const env = Object.fromEntries(namedKeys.slice(0, 80).map(({ env: name }, i) => [name, text.slice(i, i + 12)]));
    attempt(() => loadTrackerConfig({ env }));
    for (const loaded of [file, option]) {
      if (typeof loaded === 'string') continue;
      // Secrets are not shown, so what has one cannot be read again.
      const shown = formatEffectiveConfig(loaded);
      const hasSecret = namedKeys.some(({ full, key }) => key.secret && loaded.origins.get(full) !== 'default');
      if (hasSecret) continue;
      const again = loadTrackerConfig({ document: { name: 'x.toml', text: shown } });
      assert.deepEqual(again.config, loaded.config, shown);
    }
    const word = (loaded: Loaded | string) =>
      typeof loaded === 'string' ? loaded.slice(0, 40) : magnitude(loaded.origins.size);
    return `${word(file)} ${word(option)}`;
  },
};
