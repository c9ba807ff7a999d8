internal import Glibc

/// An IPv4 or IPv6 address with its port.
struct SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    init() {}

    var family: Int32 { Int32(storage.ss_family) }

    /// The port in host order; 0 for other families.
    var port: Int {
        get {
            switch family {
            case AF_INET: with(sockaddr_in.self) { Int(UInt16(bigEndian: $0.sin_port)) }
            case AF_INET6: with(sockaddr_in6.self) { Int(UInt16(bigEndian: $0.sin6_port)) }
            default: 0
            }
        }
        set {
            let port = UInt16(truncatingIfNeeded: newValue).bigEndian
            withUnsafeMutableBytes(of: &storage) { bytes in
                // sin_port and sin6_port both follow the two bytes of the family.
                bytes.storeBytes(of: port, toByteOffset: MemoryLayout<sa_family_t>.size, as: UInt16.self)
            }
        }
    }

    /// `::`: all addresses, which by custom includes those of IPv4.
    var isIPv6Wildcard: Bool {
        guard family == AF_INET6 else { return false }
        return hostBytes.allSatisfy { $0 == 0 }
    }

    /// The address without its port, in network order: 4 bytes, 16, or none for other families.
    var hostBytes: [UInt8] {
        switch family {
        case AF_INET: with(sockaddr_in.self) { withUnsafeBytes(of: $0.sin_addr) { Array($0) } }
        case AF_INET6: with(sockaddr_in6.self) { withUnsafeBytes(of: $0.sin6_addr) { Array($0) } }
        default: []
        }
    }

    /// `203.0.113.7:51234`, `[2001:db8::7]:51234`; an IPv4 address mapped into IPv6 in its own form.
    var text: String {
        switch family {
        case AF_INET: return with(sockaddr_in.self) { numeric(AF_INET, $0.sin_addr) } + ":\(port)"
        case AF_INET6:
            let host = with(sockaddr_in6.self) { numeric(AF_INET6, $0.sin6_addr) }
            let mapped = "::ffff:"
            if host.hasPrefix(mapped), host.utf8.contains(Octet.dot) {
                return host.dropFirst(mapped.count) + ":\(port)"
            }
            return "[\(host)]:\(port)"
        default: return "unknown"
        }
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    mutating func withMutablePointer(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Void)
    {
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    private func with<Address, Result>(_ type: Address.Type, _ body: (Address) -> Result) -> Result {
        // sockaddr_storage is as large and as aligned as any address (RFC 3493 3.10).
        withUnsafeBytes(of: storage) { body($0.load(as: type)) }
    }

    private func numeric<Address>(_ family: Int32, _ address: Address) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let isWritten = withUnsafePointer(to: address) {
            inet_ntop(family, $0, &text, socklen_t(text.count)) != nil
        }
        guard isWritten else { return "unknown" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension SocketAddress {
    enum Resolution {
        case addresses([SocketAddress])
        /// getaddrinfo's own error number and its words.
        case failed(code: Int32, message: String)
    }

    /// The addresses to listen on for a host: an address, a name, or `*` or nothing for all of them. Blocks on names.
    static func resolve(host: String, port: Int) -> Resolution {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let name = host.isEmpty || host == "*" ? "::" : host
        let code = getaddrinfo(name, "\(port)", &hints, &list)
        guard code == 0 else { return .failed(code: code, message: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let source = entry.pointee.ai_addr, entry.pointee.ai_addrlen <= MemoryLayout<sockaddr_storage>.size
            else { continue }
            var address = SocketAddress()
            address.length = entry.pointee.ai_addrlen
            withUnsafeMutableBytes(of: &address.storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(entry.pointee.ai_addrlen)))
            }
            let text = address.text
            if !addresses.contains(where: { $0.text == text }) { addresses.append(address) }
        }
        return .addresses(addresses)
    }
}
