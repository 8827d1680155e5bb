"""What the user should know about a run with several keys of a provider, a sentence each."""

from runners.session.run_models import RunModels


def key_notes(models: RunModels, *, batch: bool) -> list[str]:
    """Return how many keys each provider has of which there are several.

    batch: tasks go into batches where they can, and a batch belongs to one account.
    """
    rest = "; batches are made with the first" if batch else ""
    notes: dict[str, None] = {}
    for model in models.answering:
        variables = [each.key_variable for each in models.of_each_key(model)]
        if len(variables) > 1:
            listed = ", ".join(variables)
            notes[f"{model.config.provider}: {len(variables)} keys ({listed}){rest}"] = None
    return list(notes)
