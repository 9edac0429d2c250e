// Signs in again and again with what a mounted Secret or the environment holds, as users of @azure/identity do.
//
//     node sign-in.mjs WAY [FOLDER]
//
// FOLDER is the mounted Secret. Each attempt makes a new client, but for the way that keeps one, and prints a line of JSON: when it
// began and ended, whether there was a token, else an error code, and a fingerprint of the credential that was used. Ends when its input does.

import { createHash } from "node:crypto";
import { readFile, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ClientCertificateCredential, ClientSecretCredential, EnvironmentCredential } from "@azure/identity";
import { Following } from "./following.mjs";

const SCOPE = "https://graph.microsoft.com/.default";
const PAUSE = 700;

let kept;
let following;

const WAYS = {
  async secret(folder) {
    const files = await mounted(folder);
    const secret = files.AZURE_CLIENT_SECRET;
    await new ClientSecretCredential(...ids(files), secret, options(files)).getToken(SCOPE);
    return secret;
  },

  async pem(folder) {
    const files = await mounted(folder);
    const certificatePath = join(folder, "tls-combined.pem");
    await new ClientCertificateCredential(...ids(files), { certificatePath }, options(files)).getToken(SCOPE);
    return files["tls-combined.pem"];
  },

  // A credential object that is made at the start, and kept.
  async "pem-once"(folder) {
    const files = await mounted(folder);
    const certificatePath = join(folder, "tls-combined.pem");
    kept ??= { made: new ClientCertificateCredential(...ids(files), { certificatePath }, options(files)), files };
    await kept.made.getToken(SCOPE);
    return kept.files["tls-combined.pem"];
  },

  // A credential object that is kept, and follows the folder by itself.
  async following(folder) {
    const files = await mounted(folder);
    following ??= new Following(folder, { disableInstanceDiscovery: true });
    await following.getToken(SCOPE);
    return files["tls-combined.pem"];
  },

  // Everything from the environment, a path of a certificate or a secret included.
  async environment() {
    const secret = process.env.AZURE_CLIENT_SECRET ?? (await readFile(process.env.AZURE_CLIENT_CERTIFICATE_PATH, "utf8"));
    await new EnvironmentCredential({ disableInstanceDiscovery: true }).getToken(SCOPE);
    return secret;
  },
};

// All files of one version of a mounted Secret. Kubelet turns the link ..data from one version to the next, then removes the old one.
async function mounted(folder) {
  const version = await realpath(join(folder, "..data"));
  const read = async (name) => [name, await readFile(join(version, name), "utf8")];
  return Object.fromEntries(await Promise.all((await readdir(version)).map(read)));
}

const ids = (files) => [files.AZURE_TENANT_ID, files.AZURE_CLIENT_ID];

const options = (files) => ({ authorityHost: files.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });

async function attempt(signIn, folder) {
  const began = Date.now() / 1000;
  const line = (rest) => ({ began, ended: Date.now() / 1000, credential: null, error: null, ...rest });
  try {
    const credential = await signIn(folder);
    return line({ ok: true, credential: createHash("sha256").update(credential).digest("hex").slice(0, 12) });
  } catch (failure) {
    // The version went while it was read: the next one is there.
    return failure.code === "ENOENT" ? undefined : line({ ok: false, error: code(failure) });
  }
}

// What tells the failure apart, and no text that might quote a credential.
function code(failure) {
  const codes = String(failure.message).match(/AADSTS\d+/g) ?? [];
  return [failure.name, ...new Set(codes)].join(" ");
}

const [way, folder] = process.argv.slice(2);
let ended = false;
process.stdin.resume().on("end", () => (ended = true));
while (!ended) {
  const line = await attempt(WAYS[way], folder);
  if (line) console.log(JSON.stringify(line));
  await setTimeout(PAUSE);
}
