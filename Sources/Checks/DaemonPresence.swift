internal import FoundationEssentials
internal import Glibc

/// Which processes hold what, as /proc tells. Looking takes nothing: to try the database's lock could keep a starting daemon from it.
enum DaemonPresence {
    /// The daemon that has this database; nil where none is seen.
    static func processID(databasePath: String) -> Int32? {
        var facts = stat()
        guard stat(databasePath + ".lock", &facts) == 0 else { return nil }
        // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
        for line in text(of: "/proc/locks").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 5, fields[1] == "FLOCK", fields[5].split(separator: ":").last == "\(facts.st_ino)",
                let processID = Int32(fields[4])
            else { continue }
            return processID
        }
        return nil
    }

    /// Who listens on a port, with the program's name; nil where nobody does, or it is not for this user to see.
    static func listener(port: Int) -> (processID: Int32, program: String)? {
        let sockets = Set(listening(port: port).map(\.link))
        guard !sockets.isEmpty else { return nil }
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for processID in processes.compactMap({ Int32($0) }).sorted() {
            let folder = "/proc/\(processID)/fd/"
            for descriptor in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + descriptor),
                    sockets.contains(target)
                else { continue }
                let name = text(of: "/proc/\(processID)/comm").split(separator: "\n").first.map(String.init)
                return (processID, name ?? "a program")
            }
        }
        return nil
    }

    /// Whether root listens on a port, which everybody may know.
    static func isRoots(port: Int) -> Bool { listening(port: port).contains { $0.owner == "0" } }

    /// proc(5): local_address is hexadecimal, `0A` is the state LISTEN, the eighth field the user, the tenth the inode.
    private static func listening(port: Int) -> [(link: String, owner: Substring)] {
        ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { table in
            text(of: table).split(separator: "\n").dropFirst().compactMap { line in
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A", let hexadecimal = fields[1].split(separator: ":").last,
                    Int(hexadecimal, radix: 16) == port
                else { return nil }
                return ("socket:[\(fields[9])]", fields[7])
            }
        }
    }

    private static func text(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        return String(readingToEndOf: file)
    }
}
