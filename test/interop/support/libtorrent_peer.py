"""One libtorrent session with one torrent, for the interop tests.

usage: libtorrent_peer.py HOST TORRENT-FILE-OR-MAGNET FOLDER SETTINGS-AS-JSON

Writes one JSON object a line to stdout: {"event": "listening" | "progress" | "complete" | "alert" | "error", ...}.
On stdin: "announce" and "scrape" have it do that now. Ends in order (trackers are told) when stdin ends or says "quit", and at SIGTERM.
Settings are libtorrent's own, except for what would look for peers or gateways outside the test's network.
"""

import json
import os
import select
import signal
import sys
import time

import libtorrent as lt

SHOWN_ALERTS = (
    "tracker_error_alert",
    "tracker_warning_alert",
    "torrent_error_alert",
    "file_error_alert",
    "hash_failed_alert",
    "metadata_failed_alert",
    "peer_error_alert",
    "peer_ban_alert",
    "peer_disconnected_alert",
    "listen_failed_alert",
    "peer_connect_alert",
    "peer_log_alert",
    "tracker_reply_alert",
    "scrape_failed_alert",
)


started_at = time.monotonic()
verbose = os.environ.get("EIDER_INTEROP_REPORT") == "1"


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


last_said = {}


def say_news(event, **fields):
    """Says it unless that is what was said last time."""
    if last_said.get(event) != fields:
        last_said[event] = fields
        say(event, **fields)


def open_session(host, settings):
    return lt.session(
        {
            "listen_interfaces": ("[%s]:0" if ":" in host else "%s:0") % host,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            # Eider has no uTP yet: libtorrent tries it first and waits 4 s for an answer.
            "enable_outgoing_utp": False,
            "alert_mask": lt.alert.category_t.error_notification
            | lt.alert.category_t.status_notification
            | lt.alert.category_t.tracker_notification
            | lt.alert.category_t.peer_notification
            | lt.alert.category_t.connect_notification
            | (lt.alert.category_t.peer_log_notification if verbose else 0),
            "stop_tracker_timeout": 2,
            **settings,
        }
    )


def add_torrent(session, source, folder):
    if source.startswith("magnet:"):
        parameters = lt.parse_magnet_uri(source)
    else:
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(source)
    parameters.save_path = folder
    parameters.flags &= ~lt.torrent_flags.paused
    parameters.flags &= ~lt.torrent_flags.auto_managed
    return session.add_torrent(parameters)


def report(session, handle, was_complete):
    for alert in session.pop_alerts():
        name = type(alert).__name__
        if isinstance(alert, lt.scrape_reply_alert):
            say("scrape", complete=alert.complete, incomplete=alert.incomplete)
        if name in SHOWN_ALERTS:
            say("alert", at=round(time.monotonic() - started_at, 3), what=name, message=alert.message())
    status = handle.status()
    say_news(
        "progress",
        state=str(status.state),
        progress=round(status.progress, 4),
        done=status.total_done,
        peers=status.num_peers,
        down=status.download_payload_rate,
        up=status.upload_payload_rate,
        downloaded=status.total_payload_download,
        uploaded=status.total_payload_upload,
    )
    if status.errc.value() != 0:
        say("error", message=status.errc.message())
    is_complete = status.is_seeding
    if is_complete and not was_complete:
        say("complete")
    return is_complete


def obey(handle, command):
    """Returns whether it goes on."""
    if command == "announce":
        handle.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
    elif command == "scrape":
        handle.scrape_tracker()
    return command not in ("", "quit")


def stop(session, handle):
    """Pauses the torrent and waits until the tracker has been told, 2 s at most."""
    session.pop_alerts()
    handle.pause()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            if isinstance(alert, (lt.tracker_reply_alert, lt.tracker_error_alert)):
                return


def main():
    host, source, folder, settings = sys.argv[1:]
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    session = open_session(host, json.loads(settings))
    handle = add_torrent(session, source, folder)
    is_complete = False
    last_report = 0
    while not stopping:
        ready, _, _ = select.select([sys.stdin], [], [], 0.05)
        if ready and not obey(handle, sys.stdin.readline().strip()):
            break
        now = time.monotonic()
        if now - last_report >= (0.1 if not is_complete else 0.5):
            last_report = now
            is_complete = report(session, handle, is_complete)
    stop(session, handle)


main()
