/// The places where bytes from outside are read, each with what must hold for any bytes whatever.
package enum FuzzTarget: String, CaseIterable, Sendable {
    case request, chunked, connection, signature, secret, event, configuration

    /// What is wrong in what was made of these bytes; nil where all holds.
    package func finding(_ bytes: [UInt8]) -> String? {
        switch self {
        case .request: Self.request(bytes)
        case .chunked: Self.chunked(bytes)
        case .connection: Self.connection(bytes)
        case .signature: Self.signature(bytes)
        case .secret: Self.secret(bytes)
        case .event: Self.event(bytes)
        case .configuration: Self.configuration(bytes)
        }
    }
}
