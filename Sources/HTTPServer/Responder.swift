internal import Synchronization

/// The one answer to one request.
///
/// May be used from any thread and kept for any time. The first call counts, later ones are ignored, as are those after
/// the server has answered itself (`Limits.responseTimeout`). One that counts reaches nobody when the connection is gone.
package final class Responder: Sendable {
    let loop: ServerLoop
    let connection: UInt64
    let number: UInt64
    private let isUsed = Atomic(false)

    init(loop: ServerLoop, connection: UInt64, number: UInt64) {
        self.loop = loop
        self.connection = connection
        self.number = number
    }

    /// Sends the answer, after those to earlier requests of the same connection.
    ///
    /// - Returns: whether it counts.
    @discardableResult
    package func respond(_ response: Response) -> Bool {
        guard claim() else { return false }
        loop.post([letter(response)])
        return true
    }

    /// Sends the answers of a whole commit with one visit to the server's queue.
    ///
    /// - Returns: for each whether it counts.
    @discardableResult
    package static func respond(_ responders: [Responder], _ responses: [Response]) -> [Bool] {
        guard let loop = responders.first?.loop else { return [] }
        var letters: [ServerLoop.Letter] = []
        letters.reserveCapacity(responders.count)
        var counts: [Bool] = []
        counts.reserveCapacity(responders.count)
        for (responder, response) in zip(responders, responses) {
            if responder.loop !== loop {
                counts.append(responder.respond(response))
            } else {
                let isFirst = responder.claim()
                if isFirst { letters.append(responder.letter(response)) }
                counts.append(isFirst)
            }
        }
        loop.post(letters)
        return counts
    }

    /// Resets the connection: no answer to this request, nor to others of it.
    package func abort() {
        if claim() { loop.post([letter(nil)]) }
    }

    /// True once: whoever gets it gives the answer, be it the handler or the server.
    func claim() -> Bool { !isUsed.exchange(true, ordering: .relaxed) }

    func letter(_ response: Response?) -> ServerLoop.Letter {
        ServerLoop.Letter(connection: connection, number: number, response: response)
    }
}
