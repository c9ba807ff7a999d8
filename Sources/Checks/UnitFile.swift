internal import Glibc

/// What the installed unit lets the service see of the machine's files (systemd.exec(5)).
struct UnitFile: Sendable {
    /// Where systemd looks for units, the folder that counts first.
    static let folders = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"].map { $0 + "/systemd/system" }

    /// `ProtectSystem=strict`: everything is read-only but what is named.
    private(set) var isReadOnly = false
    /// `ProtectHome=`: /home, /root and /run/user are not there.
    private(set) var hidesHomes = false
    /// `PrivateTmp=`: /tmp and /var/tmp are others.
    private(set) var hasOwnTemporaryFolders = false
    private var writable: [String] = []

    /// - Parameters:
    ///   - unit: its name without the suffix: `sparekey`, `sparekey@two`.
    ///   - file: the file's name, `sparekey@.service` for an instance.
    init?(unit: String, file: String, folders: [String]) {
        // A file of the instance's own comes before the template, wherever either is.
        let files = [unit + ".service", file].flatMap { name in folders.map { "\($0)/\(name)" } }
        guard let main = files.lazy.compactMap(Self.text).first else { return nil }
        read(main)
        // Of drop-ins with one name the instance's and the first folder's count; all are read in the order of their names, wherever
        // they are (systemd.unit(5)).
        var dropIns: [String: String] = [:]
        for folder in files.reversed().map({ $0 + ".d" }) {
            for entry in Self.entries(folder) where entry.hasSuffix(".conf") { dropIns[entry] = "\(folder)/\(entry)" }
        }
        for (_, path) in dropIns.sorted(by: { $0.key < $1.key }) {
            if let text = Self.text(path) { read(text) }
        }
    }

    /// Whether the service may write there, as far as the unit is concerned.
    ///
    /// - Parameter stateFolder: its own, which the unit makes (`StateDirectory=`).
    func mayWrite(_ path: String, stateFolder: String?) -> Bool {
        !isReadOnly || (writable + [stateFolder].compactMap(\.self)).contains(where: path.lies)
    }

    /// The setting that keeps the path from the service; nil where it sees it.
    func hides(_ path: String) -> String? {
        if hidesHomes, ["/home", "/root", "/run/user"].contains(where: path.lies) { return "ProtectHome" }
        if hasOwnTemporaryFolders, ["/tmp", "/var/tmp"].contains(where: path.lies) { return "PrivateTmp" }
        return nil
    }

    private mutating func read(_ text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.filter { $0 != "\"" && $0 != "\r" }.split(separator: " ").joined(separator: " ")
            }
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "ProtectSystem": isReadOnly = parts[1] == "strict"
            case "ProtectHome": hidesHomes = Self.yes.contains(parts[1]) || parts[1] == "tmpfs"
            case "PrivateTmp": hasOwnTemporaryFolders = Self.yes.contains(parts[1]) || parts[1] == "disconnected"
            case "ReadWritePaths" where parts[1].isEmpty: writable = []
            case "ReadWritePaths":
                // A path may begin with "-", to be there or not, and "+", to be below RootDirectory=.
                writable += parts[1].split(separator: " ").map { String($0.drop { $0 == "-" || $0 == "+" }) }
            default: continue
            }
        }
    }

    private static let yes: Set<String> = ["yes", "true", "on", "1"]

    private static func text(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        return String(readingToEndOf: file)
    }

    private static func entries(_ folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}

extension String {
    /// Whether it is this folder, or something in it.
    fileprivate func lies(below folder: String) -> Bool {
        self == folder || folder == "/" || hasPrefix(folder.hasSuffix("/") ? folder : folder + "/")
    }
}
