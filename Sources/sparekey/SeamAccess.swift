internal import ArgumentParser
internal import Daemon
internal import HTTPClient
internal import Presentation
internal import Seam
internal import Settings

/// A client of Seam for a command's few calls.
///
/// - Throws: `ExitCode` 78 for a key or a URL that cannot be used, after saying why.
func seamClient(_ settings: Settings) throws -> SeamClient {
    if let missing = settings.missingSecrets["seam.api_key"] {
        Terminal.diagnose("sparekey: \(missing)")
        throw ExitCode.configurationError
    }
    do {
        return try SeamClient(
            baseURL: settings.seam.baseURL, apiKey: try APIKey(settings.seam.apiKey?.reveal ?? ""),
            transport: CurlTransport(maxConcurrentRequests: 1, maxQueued: 16, userAgent: Release.userAgent),
            timeout: settings.seam.timeout)
    } catch {
        Terminal.diagnose("sparekey: \(error)")
        throw ExitCode.configurationError
    }
}
