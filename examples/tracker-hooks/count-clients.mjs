/** Prints every minute how many announces came from each client (`-qB`, `-TR`, ...). Strangers choose their names: 1,000 are enough. */
const counts = new Map();
let printAt = 60_000;

export function postAnnounce(call, now) {
  const client = String.fromCharCode(...call.peerId.subarray(0, 3));
  if (counts.has(client) || counts.size < 1_000) counts.set(client, (counts.get(client) ?? 0) + 1);
  if (now < printAt) return;
  printAt = now + 60_000;
  console.log([...counts].join(' '));
}
