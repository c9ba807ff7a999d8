/// Sends one request and returns its response: the small protocol that tests and the simulation replace.
package protocol HTTPTransport: Sendable {
    /// Any status is a response, redirects included: they are never followed.
    func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse
}
