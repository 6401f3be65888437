import type { Scenario } from './scenario.ts';

export const linesScenarios: readonly Scenario[] = [
  {
    name: 'slow-peers',
    about: 'most of those who have the content are slow; the rest must not wait for them',
    run(w) {
      w.seeders(1);
      w.seeders(4, { line: 'slow' });
      w.peers('slowAnswerer', 3);
      w.leechers(3);
      w.until(w.done, '3m');
    },
  },
  {
    name: 'asymmetric',
    about: 'everybody takes sixteen times as fast as it gives',
    run(w) {
      w.seeders(1, { line: 'dsl' });
      w.leechers(8, { line: 'dsl' });
      w.until(w.done, '20m');
    },
  },
  {
    name: 'high-latency',
    about: 'satellite lines: the pipeline has to follow the bandwidth-delay product',
    run(w) {
      w.seeders(1, { line: 'satellite' });
      w.leechers(2, { line: 'satellite' });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'high-latency-and-loss',
    about: 'long lines that lose one in thirty chunks: TCP stops, repeats and begins small again',
    run(w) {
      w.seeders(2, { line: 'lossy' });
      w.leechers(4, { line: 'lossy' });
      w.leechers(2, { line: 'mobile' });
      w.until(w.done, '10m');
    },
  },
];
