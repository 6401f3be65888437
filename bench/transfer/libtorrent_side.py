"""libtorrent as one side of a transfer, or as one who checks data.

usage: libtorrent_side.py seed|leech|recheck TORRENT FOLDER

Writes JSON lines: {"event": "ready", "port": N}, then {"event": "complete", "seconds": N}. A leecher begins when it gets a line of
addresses, one who checks at any line; a seeder dials the addresses of every line that it gets. Ends with its standard input. Settings are libtorrent's own, but that it looks for peers and
gateways nowhere but at its tracker, takes several connections of one address, and uses TCP alone.
"""

import json
import sys
import time

import libtorrent as lt

role, torrent_file, folder = sys.argv[1:]


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def parameters(flags):
    made = lt.add_torrent_params()
    made.ti = lt.torrent_info(torrent_file)
    made.save_path = folder
    made.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    made.flags |= flags
    return made


def wait_for(session, handle):
    """Until everything is here, and written: the last blocks are on their way to the files when it says that it has finished."""
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert):
                handle.flush_cache()
            if isinstance(alert, lt.cache_flushed_alert):
                return
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
                raise RuntimeError(alert.message())
            if isinstance(alert, lt.torrent_checked_alert) and role == "recheck":
                status = handle.status()
                if not status.is_seeding:
                    raise RuntimeError("the data is not whole: %f" % status.progress)
                return


session = lt.session(
    {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "allow_multiple_connections_per_ip": True,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification,
        "stop_tracker_timeout": 1,
    }
)


def connect(handle, addresses):
    for address in addresses:
        host, port = address.rsplit(":", 1)
        handle.connect_peer((host, int(port)))


if role == "seed":
    torrent = session.add_torrent(parameters(lt.torrent_flags.seed_mode))
say("ready", port=session.listen_port())
if role != "seed":
    addresses = sys.stdin.readline().split()
    started_at = time.monotonic()
    torrent = session.add_torrent(parameters(0))
    connect(torrent, addresses)
    wait_for(session, torrent)
    say("complete", seconds=time.monotonic() - started_at)
for line in sys.stdin:
    connect(torrent, line.split())
session.pause()
