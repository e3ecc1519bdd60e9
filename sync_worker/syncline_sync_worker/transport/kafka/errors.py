"""What aiokafka raises, as Syncline's errors: translated here and nowhere else."""

import ssl
from collections.abc import Sequence

from aiokafka import errors

from syncline_contracts.errors import ConfigurationError, SynclineError, TransportUnavailable

_REMEDIES: Sequence[tuple[tuple[type[BaseException], ...], str]] = (
    (
        (
            errors.AuthenticationFailedError,
            errors.SaslAuthenticationFailed,
            errors.AuthenticationMethodNotSupported,
            errors.UnsupportedSaslMechanismError,
            errors.IllegalSaslStateError,
        ),
        "Check Kafka's security settings: protocol, mechanism, username and password",
    ),
    ((ssl.SSLError,), "Check Kafka's security settings: protocol, ca_file, certificate_file and key_file"),
    (
        (errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError, errors.ClusterAuthorizationFailedError),
        "Give this user the right to read and write Syncline's topics and to join its group",
    ),
    (
        (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.RecordTooLargeError),
        "Raise the topic's max.message.bytes, and largest_record in the settings",
    ),
    ((errors.UnknownTopicOrPartitionError,), "Make the topics: run `syncline migrate`"),
    (
        (
            errors.InvalidTopicError,
            errors.InvalidPartitionsError,
            errors.InvalidReplicationFactorError,
            errors.InvalidConfigurationError,
            errors.InvalidGroupIdError,
            errors.InvalidSessionTimeoutError,
            errors.InconsistentGroupProtocolError,
            errors.PolicyViolationError,
            errors.UnsupportedVersionError,
            errors.IncompatibleBrokerVersion,
            errors.UnrecognizedBrokerVersion,
            errors.UnsupportedCodecError,
            errors.SecurityDisabled,
        ),
        "Check Kafka's settings and the brokers' version",
    ),
)
"""What waiting cannot mend, and what can."""
KAFKA = (errors.KafkaError, errors.ConsumerStoppedError, errors.IllegalOperation, OSError, TimeoutError)
"""What talking to Kafka may raise."""


def translate(error: BaseException, doing: str) -> SynclineError:
    """The error to raise instead. ConfigurationError where waiting cannot mend it, TransportUnavailable otherwise.

    `doing` completes "cannot …".
    """
    if remedy := _remedy(error):
        return ConfigurationError(f"cannot {doing}: {_say(error)}. {remedy}")
    if isinstance(error, errors.KafkaConnectionError):
        return TransportUnavailable(f"cannot {doing}: no broker answers ({_say(error)}): look at bootstrap_servers and the network")
    return TransportUnavailable(f"cannot {doing}: {_say(error)}")


def is_permanent(error: BaseException) -> bool:
    """Waiting cannot mend it."""
    return _remedy(error) is not None


def _remedy(error: BaseException) -> str | None:
    return next((remedy for classes, remedy in _REMEDIES if isinstance(error, classes)), None)


def _say(error: BaseException) -> str:
    name, said = type(error).__name__, str(error)
    return said if said.startswith(name) else f"{name}: {said}" if said else name
