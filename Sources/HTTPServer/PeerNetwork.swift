internal import Glibc

/// What counts as one peer: an IPv4 address, or the 64 bits of an IPv6 address that a site is given (RFC 6177), within
/// which its owner has as many addresses as it likes.
struct PeerNetwork: Hashable, Sendable {
    private enum Family: UInt8 { case unknown, ipv4, ipv6 }

    private var family: Family
    private var bits: UInt64

    static let unknown = PeerNetwork(family: .unknown, bits: 0)

    /// The peer is this machine itself: a proxy, or a program that anyone here may start.
    let isLoopback: Bool

    private init(family: Family, bits: UInt64, isLoopback: Bool = false) {
        self.family = family
        self.bits = bits
        self.isLoopback = isLoopback
    }

    init(_ address: SocketAddress) {
        switch address.family {
        case AF_INET: self.init(ipv4: address.hostBytes)
        case AF_INET6:
            let bytes = address.hostBytes
            // An IPv4 peer of a socket that takes both (RFC 4291 2.5.5.2).
            if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
                self.init(ipv4: Array(bytes.suffix(4)))
            } else {
                let isLoopback = bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
                self.init(family: .ipv6, bits: Self.number(bytes.prefix(8)), isLoopback: isLoopback)
            }
        default: self = .unknown
        }
    }

    /// 127.0.0.0/8 is this machine (RFC 1122 3.2.1.3).
    private init(ipv4 bytes: [UInt8]) {
        self.init(family: .ipv4, bits: Self.number(bytes[...]), isLoopback: bytes.first == 127)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
