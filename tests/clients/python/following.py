import os

from azure.identity import CertificateCredential


class Following:
    """A credential for clients of the Azure SDK that follows a mounted Secret."""

    def __init__(self, folder, **options):
        self._folder, self._options = folder, options
        self._version = self._credential = None

    def get_token(self, *scopes, **kwargs):
        version = os.readlink(self._path("..data"))  # Kubelet turns this link with every change.
        if version != self._version:
            self._credential = CertificateCredential(
                self._read("AZURE_TENANT_ID"),
                self._read("AZURE_CLIENT_ID"),
                certificate_path=self._path("tls-combined.pem"),
                authority=self._read("AZURE_AUTHORITY_HOST"),
                **self._options,
            )
            self._version = version
        return self._credential.get_token(*scopes, **kwargs)

    def _read(self, key):
        with open(self._path(key), encoding="utf-8") as file:
            return file.read()

    def _path(self, key):
        return os.path.join(self._folder, key)
