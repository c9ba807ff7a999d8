/// One way of telling the guest's side. A way is asked again and again with the same message until it takes it or the stay is over.
package protocol DeliveryWay: Sendable {
    /// Sends the message once. Returns within the way's own deadline.
    func send(_ message: DeliveryMessage) async -> SendOutcome
}

/// The end of one attempt. Texts never hold any of the message: it has the PIN in it.
package enum SendOutcome: Sendable, Equatable {
    case delivered
    /// Worth another attempt, after `retryAfter` where the receiver said so.
    case retry(String, retryAfter: Duration?)
    /// The receiver will never take it.
    case refused(String)
}
