"""Starts a kernel as Jupyter does, and is the client of it: a command a line in, an event a line out."""
import json
import os
import signal
import sys
import threading

from jupyter_client.manager import KernelManager

written = threading.Lock()


def tell(**event):
    with written:
        print(json.dumps(event), flush=True)


def hear(channel, get):
    while True:
        message = get(timeout=None)
        tell(
            on=channel,
            type=message["msg_type"],
            parent=message["parent_header"].get("msg_id", ""),
            content=message["content"],
        )



def start():
    manager = KernelManager(kernel_name=sys.argv[1])
    manager.start_kernel(cwd=sys.argv[2])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
    except RuntimeError:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        raise
    return manager, client


try:
    manager, client = start()
except RuntimeError:
    # Jupyter chooses ports that are free, and another program may take one before the kernel does
    manager, client = start()
client.allow_stdin = True
for channel in ("iopub", "shell", "stdin"):
    get = getattr(client, f"get_{channel}_msg")
    threading.Thread(target=hear, args=(channel, get), daemon=True).start()
with open(manager.connection_file) as file:
    key = json.load(file)["key"]
tell(on="ready", key=key)
for line in sys.stdin:
    command = json.loads(line)
    do = command.pop("do")
    if do == "interrupt":
        manager.interrupt_kernel()
    elif do == "signal":
        manager.signal_kernel(getattr(signal, command["name"]))
    elif do == "input":
        client.input(command["text"])
    else:
        tell(on="sent", id=getattr(client, do)(**command))
manager.shutdown_kernel(now=False)
tell(on="ended", alive=manager.is_alive())
client.stop_channels()
sys.stdout.flush()
os._exit(0)
