"""How soon a call is to be answered, and at what price: what OpenAI and Google call a service tier.

developers.openai.com/api/docs/guides/flex-processing, ai.google.dev/gemini-api/docs/flex-inference:
flex costs half, may take a quarter of an hour, and is refused where there is no room for it.
"""

from typing import Literal

# What a user asks for; flex-or-default goes at the default tier where flex has no room.
Tier = Literal["default", "flex", "flex-or-default"]
CallTier = Literal["default", "flex"]  # what one call asks for

REQUEST_SECONDS, FLEX_REQUEST_SECONDS = 600.0, 900.0  # for one attempt
TASK_SECONDS, FLEX_TASK_SECONDS = 1800.0, 7200.0  # for all attempts at one task, waits included
