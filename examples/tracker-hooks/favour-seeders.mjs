/** Leechers that have given nothing after 1 GiB are told 10 peers at most, and why. */
const isFreeRider = (call) =>
  call.left > 0 && call.downloadedBytes > 2 ** 30 && call.uploaded * 20 < call.downloadedBytes;
export const hooks = {
  preAnnounce(call) {
    if (isFreeRider(call)) call.numWant = Math.min(call.numWant < 0 ? 10 : call.numWant, 10);
    return undefined;
  },
  postAnnounce(call) {
    if (isFreeRider(call)) call.warning = 'upload something, and you will be given more peers';
  },
};
