import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { ClientCertificateCredential } from "@azure/identity";

// A credential for clients of the Azure SDK that follows a mounted Secret.
export class Following {
  #folder;
  #options;
  #version;
  #credential;

  constructor(folder, options = {}) {
    this.#folder = folder;
    this.#options = options;
  }

  async getToken(scopes, options) {
    const version = await readlink(join(this.#folder, "..data")); // Kubelet turns this link with every change.
    if (version !== this.#version) {
      const read = (key) => readFile(join(this.#folder, key), "utf8");
      this.#credential = new ClientCertificateCredential(
        await read("AZURE_TENANT_ID"),
        await read("AZURE_CLIENT_ID"),
        { certificatePath: join(this.#folder, "tls-combined.pem") },
        { authorityHost: await read("AZURE_AUTHORITY_HOST"), ...this.#options },
      );
      this.#version = version;
    }
    return this.#credential.getToken(scopes, options);
  }
}
