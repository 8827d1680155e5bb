"""Attacks on the machine's resources and time, and processes that want to stay."""

_NONE = "\ndef f(x): return None\n"

RESOURCES: dict[str, str] = {
    "fork_bomb": "import os\nwhile True:\n    os.fork()\n" + _NONE,
    "thread_bomb": """
import threading, time
def f(x):
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    "mem_bomb": "def f(x): return len([bytearray(1 << 20) for _ in range(1 << 20)])\n",
    "mem_one": "def f(x): return len(bytearray(1 << 40))\n",
    "mem_swallow": """
kept = []
def f(x):
    while True:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass
""",
    "mmap_shared": """
import mmap
def f(x):
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 256 << 20))
        kept[-1].write(b"x" * (256 << 20))
""",
    "memfd": """
import os
fd = os.memfd_create("x")
for _ in range(4096):
    os.write(fd, b"x" * (1 << 20))
"""
    + "def f(x): return x * x\n",
    "shm_fill": """
import os
with open("/dev/shm/pwned", "wb") as file:
    for _ in range(4096):
        file.write(b"x" * (1 << 20))
"""
    + "def f(x): return x * x\n",
    "disk_one": """
with open("big", "wb") as file:
    for _ in range(4096):
        file.write(b"x" * (1 << 20))
"""
    + "def f(x): return x * x\n",
    "disk_many": """
import time
for number in range(60):
    with open(f"big{number}", "wb") as file:
        file.write(b"x" * (8 << 20))
time.sleep(1)
"""
    + "def f(x): return x * x\n",
    "disk_inodes": """
import os
for number in range(200_000):
    os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
"""
    + "def f(x): return x * x\n",
    "out_flood": "def f(x):\n    while True:\n        print('x' * 1_000_000)\n",
    "out_flood_fd": """
import os
def f(x):
    while True:
        os.write(1, b'x' * 1_000_000)
""",
    "verdict_flood": "import os\ndef f(x):\n    while True:\n        os.write(3, b'x' * 60_000)\n",
    "verdict_no_newline": "import os\ndef f(x):\n    os.write(3, b'0' * 900_000)\n",
    "fd_exhaust": "import os\ndef f(x):\n    while True:\n        os.dup(0)\n",
    "nproc": """
import os
started = 0
for _ in range(300):
    if os.fork() == 0:
        os._exit(0)
    started += 1
"""
    + "def f(x): return x * x\n",
}

TIME: dict[str, str] = {
    "cpu_loop": "def f(x):\n    while True:\n        pass\n",
    "c_loop": "import itertools\ndef f(x): return sum(itertools.repeat(1))\n",
    "bigint": "def f(x): return 7 ** 10 ** 9\n",
    "regex_dos": "import re\ndef f(x): return re.match('(a+)+$', 'a' * 60 + 'b')\n",
    "sleep": "import time\ndef f(x): time.sleep(10_000)\n",
    "import_loop": "while True:\n    pass\n",
    "swallow_all": """
def f(x):
    while True:
        try:
            while True:
                pass
        except:
            continue
""",
    "ignore_xcpu": """
import signal
def f(x):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass
""",
    "eq_hang": """
class Slow:
    def __eq__(self, other):
        while True:
            pass
def f(x): return Slow()
""",
    "exc_str_hang": """
class Slow(Exception):
    def __str__(self):
        while True:
            pass
def f(x): raise Slow()
""",
    "repr_hang": """
class Slow:
    def __repr__(self):
        while True:
            pass
def f(x): return Slow()
""",
    "deadlock": """
import threading
lock = threading.Lock()
def f(x):
    lock.acquire()
    lock.acquire()
""",
}

SURVIVORS: dict[str, str] = {
    "daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
"""
    + _NONE,
    "popen_daemon": """
import subprocess
subprocess.Popen(["sleep", "300"], start_new_session=True)
"""
    + _NONE,
    "hold_pipe": "import os, time\nif os.fork() == 0:\n    time.sleep(300)\n" + _NONE,
    "multiprocessing": """
import multiprocessing, time
multiprocessing.Process(target=time.sleep, args=(300,), daemon=True).start()
"""
    + _NONE,
    "ignore_term": """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
def f(x): time.sleep(10_000)
""",
    "nondaemon_thread": """
import threading, time
threading.Thread(target=time.sleep, args=(10_000,)).start()
"""
    + _NONE,
    "stop_self": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSTOP)\n",
}
