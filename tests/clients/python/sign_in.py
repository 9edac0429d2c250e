"""Signs in again and again with what a mounted Secret or the environment holds, as users of msal and azure-identity do.

    python sign_in.py WAY [FOLDER]

FOLDER is the mounted Secret. Each attempt makes a new client, but for the ways that keep one, and prints a line of JSON: when it
began and ended, whether there was a token, else an error code, and a fingerprint of the credential that was used. Ends when its input does.
"""

import functools
import hashlib
import json
import os
import re
import sys
import threading
import time

import msal
from azure.identity import CertificateCredential, ClientSecretCredential, DefaultAzureCredential, EnvironmentCredential

from following import Following

SCOPE = "https://graph.microsoft.com/.default"
PAUSE = 0.7


class Refused(Exception):
    """No token, and why."""


def msal_secret(folder):
    secret, files = mounted(folder, "AZURE_CLIENT_SECRET")
    ask_msal(of_msal(files, secret.decode()))
    return secret


def made_by_msal(folder):
    combined, files = mounted(folder, "tls-combined.pem")
    return combined, of_msal(files, {"private_key": files["tls.key"].decode(), "public_certificate": files["tls.crt"].decode()})


def msal_pem(folder, make=made_by_msal):
    combined, client = make(folder)
    ask_msal(client)
    return combined


def msal_pfx(folder):
    store, files = mounted(folder, "keystore.p12")
    path = os.path.join(files.version, "keystore.p12")
    ask_msal(of_msal(files, {"private_key_pfx_path": path, "passphrase": files["keystore.password"].decode()}))
    return store


def of_msal(files, credential):
    authority = files["AZURE_AUTHORITY_HOST"].decode() + files["AZURE_TENANT_ID"].decode()
    return msal.ConfidentialClientApplication(
        files["AZURE_CLIENT_ID"].decode(), client_credential=credential, authority=authority, instance_discovery=False
    )


def ask_msal(client):
    answer = client.acquire_token_for_client([SCOPE])
    if "access_token" not in answer:
        raise Refused(" ".join(f"AADSTS{code}" for code in answer.get("error_codes", [])) or answer.get("error"))


def identity_secret(folder):
    secret, files = mounted(folder, "AZURE_CLIENT_SECRET")
    ask_identity(ClientSecretCredential, files, client_secret=secret.decode())
    return secret


def made_by_identity(folder):
    combined, files = mounted(folder, "tls-combined.pem")
    return combined, of_identity(CertificateCredential, files, certificate_path=os.path.join(folder, "tls-combined.pem"))


def identity_pem(folder, make=made_by_identity):
    combined, credential = make(folder)
    credential.get_token(SCOPE)
    return combined


following = functools.cache(functools.partial(Following, disable_instance_discovery=True))


def identity_following(folder):
    """A credential object that is kept, and follows the folder by itself."""
    combined, _ = mounted(folder, "tls-combined.pem")
    following(folder).get_token(SCOPE)
    return combined


def identity_pfx(folder):
    store, files = mounted(folder, "keystore.p12")
    ask_identity(CertificateCredential, files, certificate_data=store, password=files["keystore.password"])
    return store


def ask_identity(kind, files, **credential):
    with of_identity(kind, files, **credential) as made:
        made.get_token(SCOPE)


def of_identity(kind, files, **credential):
    tenant, client = files["AZURE_TENANT_ID"].decode(), files["AZURE_CLIENT_ID"].decode()
    authority = files["AZURE_AUTHORITY_HOST"].decode()
    return kind(tenant, client, **credential, authority=authority, disable_instance_discovery=True)


def identity_environment(_, kind=EnvironmentCredential):
    """Everything from the environment, a path of a certificate or a secret included."""
    secret = os.environ.get("AZURE_CLIENT_SECRET", "").encode() or read(os.environ["AZURE_CLIENT_CERTIFICATE_PATH"])
    with kind(disable_instance_discovery=True) as made:
        made.get_token(SCOPE)
    return secret


class Files(dict):
    """The files of one version of a mounted Secret."""

    version = ""


def mounted(folder, credential):
    """One file, and all of the same version. Kubelet turns the link ..data from one version to the next, then removes the old one."""
    files = Files()
    files.version = os.path.realpath(os.path.join(folder, "..data"))
    files.update((name, read(os.path.join(files.version, name))) for name in os.listdir(files.version))
    return files[credential], files


def read(path):
    with open(path, "rb") as file:
        return file.read()


WAYS = {
    "msal-secret": msal_secret,
    "msal-pem": msal_pem,
    "msal-pfx": msal_pfx,
    "msal-pem-once": functools.partial(msal_pem, make=functools.cache(made_by_msal)),
    "identity-secret": identity_secret,
    "identity-pem": identity_pem,
    "identity-pfx": identity_pfx,
    "identity-pem-once": functools.partial(identity_pem, make=functools.cache(made_by_identity)),
    "identity-following": identity_following,
    "identity-environment": identity_environment,
    "identity-default": functools.partial(identity_environment, kind=DefaultAzureCredential),
}


def attempt(sign_in, folder):
    began = time.time()
    try:
        used, error = hashlib.sha256(sign_in(folder)).hexdigest()[:12], None
    except FileNotFoundError:
        return None  # The version went while it was read: the next one is there.
    except Exception as failure:  # Whatever a library raises is a failure to be told.
        used, error = None, code(failure)
    return {"began": began, "ended": time.time(), "ok": error is None, "credential": used, "error": error}


def code(failure):
    """What tells the failure apart, and no text that might quote a credential."""
    codes = re.findall(r"AADSTS\d+", str(failure))
    return " ".join([type(failure).__name__, *dict.fromkeys(codes)])


def main(way, folder=None):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(PAUSE):
        if line := attempt(WAYS[way], folder):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
