"""What --check-models prints: which models their providers list, and what to use instead."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Literal

from config.environment import ApiKey, Environment
from config.errors import CollectionError, ConfigError, ModelError
from config.local_rows import LOCAL_PREFIX, gguf_rows
from config.model_config import INSTALL_LOCAL, ModelConfig
from config.model_configs import MODEL_CONFIGS, select_models
from config.model_selection import is_retired
from models.base_model import BaseModel, CallOptions, make_model
from models.catalog.model_listing import ModelListing, listed_models, use_instead
from models.wire.client_pool import ClientPool
from models.wire.wrong_address import address_words, may_be_the_address
from scripts._cli import EXIT_INCOMPLETE, EXIT_OK
from scripts._terminal import print_entries, print_wrapped

Mark = Literal["✓", "✗", "?", "-"]
Listing = ModelListing | str  # what a provider lists, or why it is not known


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one model: listed ✓, not listed ✗, not known ?, nothing to ask -."""

    config: ModelConfig
    mark: Mark
    words: str


def check_models(names: Sequence[str], environment: Environment) -> int:
    """Print a row a model, by default of every model whose key is set; return the exit code.

    It is 0 where every chosen model is served. Models that the registry knows as retired count
    only if they were named.
    """
    today = date.today()
    chosen = _choose(names, environment)
    findings = _check(chosen, environment, today)
    _print(findings)
    if not names:
        _print_missing_keys(environment)
    missed = [
        finding
        for finding in findings
        if finding.mark in ("✗", "?") and (names or not is_retired(finding.config, today))
    ]
    return EXIT_INCOMPLETE if missed else EXIT_OK


def _choose(names: Sequence[str], environment: Environment) -> list[ModelConfig]:
    if names:
        return select_models(names, [*MODEL_CONFIGS, *gguf_rows(environment)])
    chosen = [config for config in MODEL_CONFIGS if environment.api_key(config)]
    if not chosen:
        raise ConfigError(
            "no key is set, so there is no provider to ask: put keys into .env "
            "(cp .env.example .env), or name models with --models"
        )
    return chosen


def _check(chosen: Sequence[ModelConfig], environment: Environment, today: date) -> list[Finding]:
    clients = ClientPool()
    settled: dict[str, Finding] = {}
    models: dict[str, list[BaseModel]] = {}
    for config in chosen:
        made = _settle(config, environment) or _make(config, environment, clients)
        if isinstance(made, Finding):
            settled[config.name] = made
        else:
            models[config.name] = made
    listings = asyncio.run(_ask(chain.from_iterable(models.values()), clients))
    for name, of_each_key in models.items():
        settled[name] = _look_up_with_each_key(of_each_key, listings, today)
    return [settled[config.name] for config in chosen]


def _settle(config: ModelConfig, environment: Environment) -> Finding | None:
    """Return what needs no asking, None where the provider has to say."""
    if config.missing_packages:
        return Finding(config, "✗", f"not installed: {INSTALL_LOCAL}")
    if config.provider == "local" and not config.api_key_env:
        return Finding(config, "-", "runs on this machine: there is no provider to ask")
    if not environment.can_call(config):
        return Finding(config, "?", f"not checked: {config.api_key_env} is not set")
    return None


def _make(
    config: ModelConfig, environment: Environment, clients: ClientPool
) -> list[BaseModel] | Finding:
    """Return the model with each of its keys, or why it cannot be asked about."""
    keys = environment.api_keys(config) or [ApiKey(config.api_key_env, "")]
    try:
        return [_make_with(key, config, environment, clients) for key in keys]
    except ConfigError as error:
        return Finding(config, "?", f"not checked: {str(error).removeprefix(f'{config.name}: ')}")


def _make_with(
    key: ApiKey, config: ModelConfig, environment: Environment, clients: ClientPool
) -> BaseModel:
    return make_model(
        config,
        api_key=key.key,
        base_url=environment.base_url(config),
        options=CallOptions(
            openai_organization=environment.beside("OPENAI_ORG_ID", key),
            openai_project=environment.beside("OPENAI_PROJECT_ID", key),
            key_variable=key.variable,
            secrets=environment.secrets(),
        ),
        clients=clients,
    )


async def _ask(
    models: Iterable[BaseModel], clients: ClientPool
) -> Mapping[tuple[str, str, str], Listing]:
    """Return what each account's provider lists: one question an account, all at once."""
    accounts = {_account(model): model for model in models}
    async with clients, asyncio.TaskGroup() as group:
        asked = {account: group.create_task(_list(model)) for account, model in accounts.items()}
    return {account: task.result() for account, task in asked.items()}


async def _list(model: BaseModel) -> Listing:
    """Return what every address of a model lists, or what is wrong with one of them."""
    each = model.at_each_address()
    if len(each) == 1:
        return await _list_at(each[0])
    listings = await asyncio.gather(*(_list_at(replica) for replica in each))
    for replica, listing in zip(each, listings, strict=True):
        if isinstance(listing, str):
            return f"{replica.base_url} does not answer: {listing}"
    known = [listing for listing in listings if isinstance(listing, ModelListing)]
    return ModelListing(
        ids=frozenset.intersection(*(listing.ids for listing in known)),
        names=frozenset.intersection(*(listing.names for listing in known)),
        takes_any_name=all(listing.takes_any_name for listing in known),
    )


async def _list_at(model: BaseModel) -> Listing:
    try:
        return await listed_models(model)
    except CollectionError as error:
        return " ".join([*str(error).split(), *_where(model, error)])


def _where(model: BaseModel, error: CollectionError) -> Iterator[str]:
    """Yield where it was asked, where that may be why it was not told."""
    if isinstance(error, ModelError) and may_be_the_address(error):
        variable, is_default = model.config.base_url_env, model.base_url == model.home().rstrip("/")
        yield f"({address_words(f'{model.base_url}/models', variable, is_default=is_default)})"


def _account(model: BaseModel) -> tuple[str, str, str]:
    return model.config.provider, model.base_url, model.api_key


def _look_up_with_each_key(
    models: Sequence[BaseModel], listings: Mapping[tuple[str, str, str], Listing], today: date
) -> Finding:
    """Return what is known of a model that is asked with some keys: served only if with all."""
    first = models[0].config
    findings = [_look_up(first, listings[_account(model)], today) for model in models]
    for model, finding in zip(models, findings, strict=True):
        if finding.mark != "✓" and len(models) > 1:
            return Finding(first, finding.mark, f"{model.key_variable}: {finding.words}")
    return findings[0]


def _look_up(config: ModelConfig, listing: Listing, today: date) -> Finding:
    if isinstance(listing, str):
        return Finding(config, "?", f"not checked: {listing}")
    if config.api_id in listing.names:
        return Finding(config, "✓", _served(config, today))
    if listing.takes_any_name:
        return Finding(
            config, "✓", f"answers whatever the name; it lists: {listing.nearest(config.api_id)}"
        )
    return Finding(config, "✗", _not_served(config, listing, today))


def _not_served(config: ModelConfig, listing: ModelListing, today: date) -> str:
    gone = f"retired {config.retired}" if is_retired(config, today) else "not served"
    if config.name in listing.names:  # what is asked for is another id than the name it goes by
        [typed] = select_models([config.name])
        how = (
            "" if typed.api_id == config.name else ", which takes a row in config/model_configs.py"
        )
        return f"asks for {config.api_id}, {gone}; {config.name} itself is served{how}"
    instead = use_instead(config.api_id, config.replacement, listing.names)
    if instead:
        return f"{gone}: use {_known_as(instead, config.provider)}"
    return f"{gone}; it lists: {listing.nearest(config.api_id)}"


def _served(config: ModelConfig, today: date) -> str:
    if config.retired is None:
        return "served"
    then = f", then use {config.replacement}" if config.replacement else ""
    verb = "was to retire" if is_retired(config, today) else "retires"
    return f"served; {verb} {config.retired}{then}"


def _known_as(api_id: str, provider: str) -> str:
    """Return the name to give to --models, which a listed id need not have."""
    if provider == "local":
        return f"{LOCAL_PREFIX}{api_id}"
    for config in MODEL_CONFIGS:
        if config.api_id == api_id:
            return config.name
        if api_id in config.api_aliases:
            return api_id
    return f"{api_id} (no row in config/model_configs.py yet)"


def _print(findings: Sequence[Finding]) -> None:
    entries = [
        (f"{finding.mark} {finding.config.name} ({finding.config.provider})", finding.words)
        for finding in findings
    ]
    print_entries(entries)
    served = sum(finding.mark == "✓" for finding in findings)
    print(f"\n{served} of {len(findings)} models are served")


def _print_missing_keys(environment: Environment) -> None:
    variables = dict.fromkeys(config.api_key_env for config in MODEL_CONFIGS if config.api_key_env)
    missing = [name for name in variables if not environment.keys_in(name)]
    if missing:
        print_wrapped(f"Not asked, their keys are not set: {', '.join(missing)}")
