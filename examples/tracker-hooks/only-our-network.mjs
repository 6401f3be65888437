/** Serves one network: 10.20.0.0/16. Scrapes may come from anywhere. */
export function preAnnounce(call) {
  const { source } = call;
  const isOurs = source.length === 4 && source[0] === 10 && source[1] === 20;
  return isOurs ? undefined : { reason: 'this tracker serves the campus only', retryInSec: Number.POSITIVE_INFINITY };
}
