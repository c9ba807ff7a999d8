internal import ArgumentParser
internal import Ledger
internal import Presentation
internal import Seam
internal import Settings

extension ExitCode {
    /// EX_CONFIG of sysexits.h.
    static let configurationError = ExitCode(78)
}

/// Runs the work of a command: what goes wrong is said on standard error, and the exit code tells its kind.
func exiting(_ work: () async throws -> Void) async throws {
    do {
        try await work()
    } catch let error as ConfigurationError {
        Terminal.diagnose("sparekey: \(error)")
        throw ExitCode.configurationError
    } catch let error as LedgerError {
        Terminal.diagnose("sparekey: \(error)")
        throw ExitCode.failure
    } catch let error as SeamError {
        Terminal.diagnose("sparekey: \(error)")
        throw ExitCode.failure
    } catch let failure as Terminal.WriteFailure {
        Terminal.diagnose("sparekey: \(failure)")
        throw ExitCode.failure
    }
}
