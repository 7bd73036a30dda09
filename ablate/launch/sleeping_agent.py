"""Stands in for an agent of Ray's node until somebody asks it for something.

    python sleeping_agent.py AGENT.PY --OPTIONS...

Ray starts two agents with each node and waits until both have imported Ray, a second on two
cores. One serves the dashboard, which a study's own Ray has not; the other sets up runtime
environments, which few trainables ask for: at the first word to it this becomes that agent, and
whoever asked asks again. Standard library alone: it is there within milliseconds.
"""

import os
import select
import socket
import sys

LOOK_S = 1.0
"""Between two looks at whether the node is still there."""
PORT = "--runtime-env-agent-port"
ADDRESS = "--node-ip-address"


def main(agent: list[str]) -> None:
    """Sleeps until somebody knocks, then runs the agent; ends with the node.

    Args:
        agent: Its arguments, its file first.
    """
    node, doors = os.getppid(), _doors(agent)
    while not select.select(doors, [], [], LOOK_S)[0]:
        if os.getppid() != node:
            return
    os.execv(sys.executable, [sys.executable, *agent])  # closes the doors


def _doors(agent: list[str]) -> list[socket.socket]:
    """Where the agent would listen; nowhere for one without a port."""
    options = dict(part.split("=", 1) for part in agent if "=" in part)
    if PORT not in options:
        return []
    found = socket.getaddrinfo(options[ADDRESS], int(options[PORT]), type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    door = socket.socket(family, kind, protocol)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(address)
    door.listen()
    return [door]


if __name__ == "__main__":
    main(sys.argv[1:])
