/// Whether a server could listen somewhere.
package enum ListenProbe {
    /// Takes the addresses as a server would and gives them back at once. Blocks where the host is a name.
    ///
    /// - Returns: why a server could not start; nil where it could.
    package static func refusal(host: String, port: Int) -> ServerError? {
        do {
            for listener in try Listener.open(host: host, port: port, accepts: false) {
                SystemCall.close(listener.descriptor)
            }
            return nil
        } catch {
            return error
        }
    }
}
