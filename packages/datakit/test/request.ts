/**
 * Requests to a server in the page.
 *
 * @module
 */

/** A request whose body the server can read, also in Firefox, where requests show none. */
export async function requestOf(url: string, init: RequestInit): Promise<Request> {
  const request = new Request(url, init)
  if (init.body === undefined || 'body' in Request.prototype) return request
  const { body } = new Response(await request.arrayBuffer())
  return Object.defineProperty(request, 'body', { value: body })
}
