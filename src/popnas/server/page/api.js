// Requests to this page's own server. What fails is an Error with `status` and `problems`.

export class Unknown extends Error {}

let askForToken = () => {};

// `act` is called whenever an answer says that the server does not know who asks (any more).
export function whenUnknown(act) {
  askForToken = act;
}

export async function call(method, path, body, signal) {
  const answer = await sent(method, path, body, signal);
  const found = contentOf(answer, await answer.text());
  if (answer.status === 401) {
    if (path !== "/session") askForToken();
    throw new Unknown(found?.detail ?? "The server's token is needed.");
  }
  if (!answer.ok) {
    const error = new Error(found?.detail ?? `${found === undefined ? "Not popnas's server but something before it, such as a proxy," : "The server"} answered ${answer.status}.`);
    error.status = answer.status;
    error.problems = found?.problems ?? [];
    throw error;
  }
  if (found === undefined) throw new Error("Not popnas's server answered but something before it, such as a proxy.");
  return found;
}

async function sent(method, path, body, signal) {
  const headers = { "X-Popnas-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`/api${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Runs go on without it.");
  }
}

// The answer's JSON, null if there is none; undefined if it is something else, such as a proxy's page.
function contentOf(answer, text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const get = (path) => call("GET", path);
export const post = (path, body, signal) => call("POST", path, body, signal);
export const remove = (path) => call("DELETE", path);
