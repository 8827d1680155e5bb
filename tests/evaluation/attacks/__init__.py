"""Solutions that attack: id -> code. None of them solves the problem, which is f(x) == x * x.

Where an attack is on something else than the verdict, success shows: f is right if it WON.
@HOME@, @PORT@, @UNIX@, @ABSTRACT@ and @PID@ stand for what is on the host: a folder with a .env and
notes/diary.txt, live listeners, and the process that judges.
"""

from tests.evaluation.attacks.host import HOST
from tests.evaluation.attacks.resources import RESOURCES, SURVIVORS, TIME
from tests.evaluation.attacks.verdict import VERDICT

ATTACKS: dict[str, dict[str, str]] = {
    "verdict": VERDICT,
    "host": HOST,
    "resources": RESOURCES,
    "time": TIME,
    "survivors": SURVIVORS,
}
