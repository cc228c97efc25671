// The server's token, if it needs one: stored in this tab only, never in an address that is sent.

const NAME = "dogbreed-token";

/** The header that a request needs; none if no token is stored. */
export function authorization() {
  const token = sessionStorage.getItem(NAME);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export const remember = (token) => sessionStorage.setItem(NAME, token);
export const forget = () => sessionStorage.removeItem(NAME);
