import type { MetricFamily } from './ports.ts';

const prefix = 'eider_tracker_';

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** Prometheus's text format 0.0.4. Values that are no finite numbers are written as the format has them (`NaN`, `+Inf`). */
export function formatMetrics(families: readonly MetricFamily[]): string {
  let out = '';
  for (const { name, type, help, samples } of families) {
    const full = prefix + name;
    out += `# HELP ${full} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${full} ${type}\n`;
    for (const { value, labels } of samples) out += `${full}${formatLabels(labels)} ${formatValue(value)}\n`;
  }
  return out;
}

function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) return '';
  return `{${entries.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
