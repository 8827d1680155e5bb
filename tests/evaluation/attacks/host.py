"""Attacks on the machine: its files, its processes, its network; WON where one worked."""

_END = "\ndef f(x): return x * x if WON else None\n"
_LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def _tried(body: str, setup: str = "") -> str:
    """Return a solution that wins where the body raises nothing and leaves WON true."""
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"{setup}\nWON = False\ntry:\n{indented}except BaseException:\n    WON = False\n{_END}"


HOST: dict[str, str] = {
    "read_secret": _tried("WON = 'SECRET' in open('@HOME@/.env').read()"),
    "read_secret_fd": _tried(
        "WON = b'SECRET' in os.read(os.open('@HOME@/.env', os.O_RDONLY), 100)", "import os"
    ),
    "read_etc": _tried("WON = bool(open('/etc/passwd').read())"),
    "list_home": _tried("WON = bool(os.listdir('@HOME@'))", "import os"),
    "read_project": _tried(
        "WON = any(bool(open(p).read()) for p in ('@PROJECT@/README.md', '@PROJECT@/Makefile'))"
    ),
    "read_tests": _tried("WON = bool(os.listdir('@PROJECT@/dataset/starter'))", "import os"),
    "read_proc_environ": _tried(
        """
for pid in range(1, 4000):
    try:
        WON = WON or b"=" in open(f"/proc/{pid}/environ", "rb").read()
    except OSError:
        pass
"""
    ),
    "read_ppid_cmdline": _tried(
        "WON = b'zygote' in open(f'/proc/{os.getppid()}/cmdline', 'rb').read()", "import os"
    ),
    "write_home": _tried("open('@HOME@/pwned', 'w').write('x')\nWON = True"),
    "write_tmp": _tried("open('/tmp/pwned-by-solution', 'w').write('x')\nWON = True"),
    "append_diary": _tried("open('@HOME@/notes/diary.txt', 'a').write('x')\nWON = True"),
    "truncate_diary": _tried("os.truncate('@HOME@/notes/diary.txt', 0)\nWON = True", "import os"),
    "delete_home": _tried(
        """
shutil.rmtree('@HOME@/notes', ignore_errors=True)
WON = not os.path.exists('@HOME@/notes') and os.path.exists('@HOME@')
""",
        "import os, shutil",
    ),
    "rename_secret": _tried("os.rename('@HOME@/.env', '@HOME@/env')\nWON = True", "import os"),
    "link_secret": _tried(
        "os.link('@HOME@/.env', 'mine')\nWON = bool(open('mine').read())", "import os"
    ),
    "chmod_secret": _tried(
        """
os.chmod('@HOME@/.env', 0o700)
WON = os.stat('@HOME@/.env').st_mode & 0o777 == 0o700
""",
        "import os",
    ),
    "utime_secret": _tried(
        "os.utime('@HOME@/.env', (1, 1))\nWON = os.stat('@HOME@/.env').st_mtime == 1", "import os"
    ),
    "xattr_secret": _tried(
        "os.setxattr('@HOME@/.env', b'user.pwned', b'1')\nWON = True", "import os"
    ),
    "make_fifo": _tried("os.mkfifo('@HOME@/fifo')\nWON = True", "import os"),
    "make_device": _tried("os.mknod('device', 0o20666, os.makedev(1, 1))\nWON = True", "import os"),
    "tcp": _tried(
        "socket.create_connection(('127.0.0.1', @PORT@), 1).send(b'x')\nWON = True",
        "import socket",
    ),
    "udp": _tried(
        """
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))
WON = True
""",
        "import socket",
    ),
    "unix_socket": _tried(
        "s = socket.socket(socket.AF_UNIX)\ns.connect('@UNIX@')\nWON = True", "import socket"
    ),
    "unix_datagram_pair": _tried(
        """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.sendto(b'x', '@UNIX@')
WON = True
""",
        "import socket",
    ),
    "unix_pair_connect": _tried(
        "a, b = socket.socketpair()\na.connect('@UNIX@')\nWON = True", "import socket"
    ),
    "abstract_socket": _tried(
        "s = socket.socket(socket.AF_UNIX)\ns.connect('\\0@ABSTRACT@')\nWON = True",
        "import socket",
    ),
    "listen": _tried(
        "s = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nWON = True", "import socket"
    ),
    "dns": _tried(
        "WON = bool(socket.getaddrinfo('localhost.localdomain', 80))\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import socket",
    ),
    "netlink": _tried("socket.socket(socket.AF_NETLINK, 3, 0)\nWON = True", "import socket"),
    "kill_parent": _tried("os.kill(os.getppid(), 9)\nWON = True", "import os"),
    "kill_judge": _tried("os.kill(@PID@, 9)\nWON = True", "import os"),
    "kill_ppid_stop": _tried(
        "os.kill(os.getppid(), signal.SIGSTOP)\nWON = True", "import os, signal"
    ),
    "kill_all": _tried("os.kill(-1, 9)\nWON = True", "import os"),
    "kill_group": _tried("os.killpg(0, 0)\nWON = True", "import os"),
    "kill_zero": _tried("os.kill(0, 0)\nWON = True", "import os"),
    "sigio_owner": _tried(
        "fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())\nWON = True", "import fcntl, os"
    ),
    "ptrace_parent": _tried("WON = libc.ptrace(16, os.getppid(), 0, 0) == 0", _LIBC),
    "proc_mem_parent": _tried("open(f'/proc/{os.getppid()}/mem', 'rb')\nWON = True", "import os"),
    "zygote_mem": _tried("open(f'/proc/{os.getppid()}/mem', 'r+b')\nWON = True", "import os"),
    "vm_readv_ppid": _tried(
        """
buffer = ctypes.create_string_buffer(8)
local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
remote = (ctypes.c_void_p * 2)(id(os), 8)
WON = libc.process_vm_readv(os.getppid(), local, 1, remote, 1, 0) > 0
""",
        _LIBC,
    ),
    "prlimit_parent": _tried(
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (8, 8))\nWON = True",
        "import os, resource",
    ),
    "prlimit_judge": _tried(
        "resource.prlimit(@PID@, resource.RLIMIT_CORE, (1, 1))\nWON = True", "import resource"
    ),
    "renice_parent": _tried(
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)\nWON = True", "import os"
    ),
    "affinity_parent": _tried("os.sched_setaffinity(os.getppid(), {0})\nWON = True", "import os"),
    "raise_limits": _tried(
        """
for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
WON = True
""",
        "import resource",
    ),
    "become_root": _tried("os.setuid(0)\nWON = True", "import os"),
    "userns": _tried("WON = libc.unshare(0x10000000) == 0", _LIBC),
    "mount_tmpfs": _tried("WON = libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0", _LIBC),
    "chroot": _tried("os.chroot('.')\nWON = True", "import os"),
    "subprocess_id": _tried(
        "subprocess.run(['/usr/bin/id'], check=True)\nWON = True", "import subprocess"
    ),
    "os_system": _tried("WON = os.system('true') == 0", "import os"),
    "posix_spawn": _tried("os.posix_spawn('/bin/true', ['true'], {})\nWON = True", "import os"),
    "execve_shell": _tried("os.execv('/bin/sh', ['sh', '-c', 'exit 0'])", "import os"),
    "harness_rewrite": _tried(
        """
for path in ("/evaluation", "@PROJECT@/evaluation/inside/run_tests.py"):
    open(path, "a").write("# pwned")
WON = True
"""
    ),
    "pyc_poison": _tried(
        """
folder = os.path.dirname(os.__file__)
open(os.path.join(folder, "__pycache__", "pwned.pyc"), "wb").write(b"x")
WON = True
""",
        "import os",
    ),
    "tty_inject": _tried(
        """
for path in ("/dev/tty", "/dev/pts/0", "/dev/console"):
    try:
        fcntl.ioctl(os.open(path, os.O_RDWR), termios.TIOCSTI, b"x")
        WON = True
    except OSError:
        pass
""",
        "import fcntl, os, termios",
    ),
    "io_uring": _tried(
        "buffer = ctypes.create_string_buffer(256)\nWON = libc.syscall(425, 4, buffer) >= 0", _LIBC
    ),
    "bpf_perf": _tried(
        """
buffer = ctypes.create_string_buffer(128)
WON = libc.syscall(321, 0, buffer, 48) >= 0 or libc.syscall(298, buffer, 0, -1, -1, 0) >= 0
""",
        _LIBC,
    ),
    "keyring": _tried("WON = libc.syscall(248, b'user', b'k', b'v', 1, -3) >= 0", _LIBC),
    "int80": _LIBC
    + """
import mmap
WON = False
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
WON = ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0
"""
    + _END,
    "symlink_cleanup": """
import os
os.symlink("@HOME@", "home")
os.symlink("@HOME@/notes", "notes")
os.mkdir("shut", 0)
os.makedirs("deeper/inner")
os.symlink("@HOME@/notes/diary.txt", "deeper/inner/diary")
os.mkfifo("fifo")
def f(x): return None
""",
    "deep_dirs": """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
def f(x): return None
""",
}
