"""From the name of a broker to an encrypted connection: where exactly it breaks off."""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openmsi_admin.doctor.finding import Finding, bad, bounded, ok, unsure

SECONDS = 5.0
_ADDRESS = re.compile(r"(?:[A-Za-z_]+://)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?")
_DEFAULT_PORT = 9092
_SOON_SECONDS = 14 * 86400

_EXPIRED, _NOT_YET, _SELF_SIGNED, _UNKNOWN_CA = 10, 9, (18, 19), (20, 21)
_WRONG_NAME = (62, 64)  # X509_V_ERR_… of OpenSSL


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Address | None:
    """One of ``bootstrap.servers``; None when it cannot be one."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or (port := int(match["port"] or _DEFAULT_PORT)) > 65535:
        return None
    return Address(match["v6"] or match["host"], port)


def is_encrypted(options: Mapping[str, str]) -> bool:
    """Whether clients with these options speak TLS."""
    return options.get("security.protocol", "plaintext").casefold() in ("ssl", "sasl_ssl")


def speaks_tls(address: Address) -> bool:
    """Whether whatever listens there wants to be spoken to in TLS. Blocks up to 10 s."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connect(address) as plain, context.wrap_socket(plain, server_hostname=address.host):
            return True
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        return False


def check_address(address: Address, options: Mapping[str, str]) -> Iterator[Finding]:
    """Look the name up, connect, and encrypt if that is asked for. Blocks up to 5 s for each of the three."""
    try:
        found = bounded(lambda: socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM), SECONDS)
    except OSError as error:  # TimeoutError is one
        reason = error.strerror or str(error) or "the name server does not answer"
        todo = "check bootstrap.servers, or this machine's name server"
        yield bad("address", f"{address.host} cannot be found ({reason})", todo)
        return
    numbers = ", ".join(sorted({str(entry[4][0]) for entry in found}))
    began = time.monotonic()
    try:
        plain = bounded(lambda: _connect(address), SECONDS)
    except OSError as error:
        reason = (
            f"no answer within {SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error.strerror or error)
        )
        todo = "check the port, that the broker runs, and firewalls between"
        yield bad("address", f"{address} ({numbers}) cannot be connected to: {reason}", todo)
        return
    with plain:
        took = 1000 * (time.monotonic() - began)
        yield ok("address", f"{address} ({numbers}) can be connected to, in {took:.0f} ms")
        if is_encrypted(options):
            yield _handshake(address, plain, options)


def _connect(address: Address) -> socket.socket:
    return socket.create_connection((address.host, address.port), timeout=SECONDS)


def _handshake(address: Address, plain: socket.socket, options: Mapping[str, str]) -> Finding:
    try:
        context = _context(options)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(f"{key} = {value}" for key, value in options.items() if key.endswith(".location"))
        return bad("TLS", f"the certificates named in the config file cannot be used: {files} ({error})", "mend these")
    try:
        with context.wrap_socket(plain, server_hostname=address.host) as secure:
            return _valid(address, secure)
    except ssl.SSLCertVerificationError as error:
        return _refused(address, error)
    except TimeoutError:
        return bad("TLS", f"{address} does not answer in TLS within 5 s", "check the port and security.protocol")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").casefold()
        if any(sign in reason for sign in ("wrong version", "record layer", "unexpected eof")):
            todo = "name its port for TLS, or set security.protocol to PLAINTEXT or SASL_PLAINTEXT"
            return bad("TLS", f"{address} does not speak TLS", todo)
        return bad("TLS", f"{address} refuses the connection ({reason})", "check the ssl.… options of [broker]")
    except OSError as error:
        return bad("TLS", f"{address} ends the connection ({error})", "check the port and security.protocol")


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    """What librdkafka does with the same options. Raises OSError."""
    ca = options.get("ssl.ca.location")
    context = ssl.create_default_context(cafile=ca if ca and ca != "probe" else None, cadata=options.get("ssl.ca.pem"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python's own idea, since 3.13
    if options.get("ssl.endpoint.identification.algorithm", "https") == "none":
        context.check_hostname = False
    if options.get("enable.ssl.certificate.verification", "true").casefold() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := options.get("ssl.certificate.location"):
        # Empty, not missing: else OpenSSL would ask at the terminal.
        password = options.get("ssl.key.password", "")
        context.load_cert_chain(certificate, options.get("ssl.key.location"), password=password)
    return context


def _valid(address: Address, secure: ssl.SSLSocket) -> Finding:
    certificate = secure.getpeercert() or {}
    text = f"{address} speaks {secure.version()}"
    if not isinstance(until := certificate.get("notAfter"), str):
        return ok("TLS", f"{text}; its certificate is not checked, as the config file asks")
    left = ssl.cert_time_to_seconds(until) - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(ssl.cert_time_to_seconds(until)))
    if left < _SOON_SECONDS:
        return unsure("TLS", f"{text}; its certificate expires on {day}", "tell whoever runs the broker")
    return ok("TLS", f"{text}; its certificate is good until {day}")


def _refused(address: Address, error: ssl.SSLCertVerificationError) -> Finding:
    code = error.verify_code
    if code == _EXPIRED:
        text, todo = "has expired", "check this machine's clock; if it is right, tell whoever runs the broker"
    elif code == _NOT_YET:
        text, todo = "is not valid yet", "check this machine's clock"
    elif code in _WRONG_NAME:
        text = f"is not for the name {address.host}"
        todo = "use the name that is in the certificate in bootstrap.servers"
    elif code in _SELF_SIGNED or code in _UNKNOWN_CA:
        text = "is from an authority that this machine does not know"
        todo = "name the authority's certificate with ssl.ca.location in [broker]"
    else:
        text, todo = f"is refused ({error.verify_message})", "tell whoever runs the broker"
    return bad("TLS", f"the certificate of {address} {text}", todo)
