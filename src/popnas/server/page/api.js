// Requests to this page's own server. What fails is an Error with `status` and `problems`.

export class Unknown extends Error {}

export async function call(method, path, body) {
  const headers = { "X-Popnas-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin",
    });
  } catch {
    throw new Error("The server does not answer. Runs go on without it.");
  }
  if (answer.status === 401) throw new Unknown("The server's token is needed.");
  const text = await answer.text();
  const found = text ? JSON.parse(text) : null;
  if (!answer.ok) {
    const error = new Error(found?.detail ?? `The server answered ${answer.status}.`);
    error.status = answer.status;
    error.problems = found?.problems ?? [];
    throw error;
  }
  return found;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);
