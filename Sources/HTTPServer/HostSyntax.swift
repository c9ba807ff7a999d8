/// Host = uri-host [ ":" port ] (RFC 9110 7.2, RFC 3986 3.2.2).
enum HostSyntax {
    /// A name as the DNS has them, an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
    ///
    /// RFC 3986 would also allow percent-encoding and sub-delimiters in a name, but no name that is looked up has them
    /// (there, and RFC 1123 2.1). An empty host is invalid in http and https (RFC 9110 4.2.1).
    static func isValid(_ value: ArraySlice<UInt8>) -> Bool {
        let host: ArraySlice<UInt8>
        if value.first == 0x5B {
            guard let close = value.firstIndex(of: 0x5D) else { return false }
            host = value[...close]
            guard isIPv6(value[(value.startIndex + 1)..<close]) else { return false }
        } else {
            host = value.prefix { $0 != Octet.colon }
            guard isName(host) else { return false }
        }
        let port = value[host.endIndex...]
        guard let colon = port.first else { return true }
        return colon == Octet.colon && port.count <= 6 && port.dropFirst().allSatisfy(\.isDigit)
    }

    /// Labels of letters, digits, `-` and `_` with `-` only inside (RFC 1123 2.1; `_` is common in private names). A name
    /// whose last label is a number is an IPv4 address or nothing.
    private static func isName(_ host: ArraySlice<UInt8>) -> Bool {
        guard (1...255).contains(host.count) else { return false }
        var labels = 0
        var (areLabels, areByteNumbers, isLastNumber) = (true, true, false)
        var rest = host
        while !rest.isEmpty || labels == 0 {
            let label = rest.prefix { $0 != Octet.dot }
            // What follows a dot at the end is no label: the root of all names.
            rest = rest.dropFirst(label.count + 1)
            labels += 1
            areLabels = areLabels && isLabel(label)
            areByteNumbers = areByteNumbers && isByteNumber(label)
            isLastNumber = label.allSatisfy(\.isDigit)
        }
        return isLastNumber ? labels == 4 && host.last != Octet.dot && areByteNumbers : areLabels
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        (1...63).contains(label.count) && label.first != 0x2D && label.last != 0x2D
            && label.allSatisfy { $0.isLetter || $0.isDigit || $0 == 0x2D || $0 == 0x5F }
    }

    /// dec-octet (RFC 3986 3.2.2): 0 to 255 without leading zeros.
    private static func isByteNumber(_ label: ArraySlice<UInt8>) -> Bool {
        guard (1...3).contains(label.count), label.allSatisfy(\.isDigit), label.count == 1 || label.first != 0x30 else {
            return false
        }
        return label.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 255
    }

    /// The alphabet and shape of an IPv6 address; what it means does not matter here.
    private static func isIPv6(_ address: ArraySlice<UInt8>) -> Bool {
        (2...45).contains(address.count) && address.filter { $0 == Octet.colon }.count >= 2
            && address.allSatisfy { $0.hexValue != nil || $0 == Octet.colon || $0 == Octet.dot }
    }
}
