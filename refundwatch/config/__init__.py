"""The configuration: TOML in, frozen dataclasses out, every error named.

Invariant: nothing here opens a secret except `resolve_secret`.
"""

from refundwatch.config.client import (
    ClientConfig,
    SigningConfig,
    load_client_config,
)
from refundwatch.config.loading import config_digest, load_config
from refundwatch.config.model import (
    AccountConfig,
    Address,
    AlarmsConfig,
    ApiConfig,
    ApprovalsConfig,
    BandConfig,
    Config,
    ConnectionConfig,
    DispatchConfig,
    LogConfig,
    ProbeConfig,
    ResolveConfig,
    RetentionConfig,
    SecretReference,
    StoreConfig,
    VaultConfig,
    WebhooksConfig,
)
from refundwatch.config.paths import default_path, state_folder, user_folder
from refundwatch.config.secrets import Secret, resolve_secret
from refundwatch.config.showing import Setting, effective_settings, flat_settings
from refundwatch.config.table import blame

__all__ = [
    "AccountConfig",
    "Address",
    "AlarmsConfig",
    "ApiConfig",
    "ApprovalsConfig",
    "BandConfig",
    "ClientConfig",
    "Config",
    "ConnectionConfig",
    "DispatchConfig",
    "LogConfig",
    "ProbeConfig",
    "ResolveConfig",
    "RetentionConfig",
    "Secret",
    "SecretReference",
    "Setting",
    "SigningConfig",
    "StoreConfig",
    "VaultConfig",
    "WebhooksConfig",
    "blame",
    "config_digest",
    "default_path",
    "effective_settings",
    "flat_settings",
    "load_client_config",
    "load_config",
    "resolve_secret",
    "state_folder",
    "user_folder",
]
