// The server's token, where it wants one: in this tab alone, never in an address that is sent.

const NAME = "dogbreed-token";

/** The header that a request needs; none where no token is known. */
export function authorization() {
  const token = sessionStorage.getItem(NAME);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export const remember = (token) => sessionStorage.setItem(NAME, token);
export const forget = () => sessionStorage.removeItem(NAME);
