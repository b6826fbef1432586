# Completion of hs and hsx for PowerShell 5.1 and later; written by: hs completion powershell
# What can stand at the cursor is asked of the program itself, which knows its options, settings and database.

Register-ArgumentCompleter -Native -CommandName @('hs', 'hsx', 'hs.exe', 'hsx.exe') -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The words before the cursor, without quotes. They go through the environment: older versions of PowerShell lose
    # empty arguments and quotes.
    $words = @()
    foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -ge $cursorPosition) { break }
        if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $words += $element.Value }
        else { $words += $element.Extent.Text }
    }
    $current = "$wordToComplete"
    if ($current -match "^'(.*?)'?$" -or $current -match '^"(.*?)"?$') { $current = $Matches[1] }
    $program = $commandAst.CommandElements[0].Extent.Text.Trim("'", '"')

    $before = $env:HS_COMPLETE
    $encoding = [Console]::OutputEncoding
    try {
        $env:HS_COMPLETE = (@($words) + $current) -join [char]31
        [Console]::OutputEncoding = [System.Text.Encoding]::UTF8
        $answer = @(& $program __complete powershell 2>$null)
    }
    catch { return }
    finally {
        $env:HS_COMPLETE = $before
        [Console]::OutputEncoding = $encoding
    }
    if ($answer.Count -eq 0) { return }

    $header = "$($answer[0])".Split("`t")
    foreach ($line in ($answer | Select-Object -Skip 1)) {
        $parts = "$line".Split("`t")
        [System.Management.Automation.CompletionResult]::new($parts[0], $parts[2], 'ParameterValue', $parts[1])
    }
    if ($header[0] -match '^(files|folders|command)') {
        $kept = $header[2]
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($header[3]) | ForEach-Object {
            if ($header[0] -ne 'folders' -or $_.ResultType -eq 'ProviderContainer') {
                [System.Management.Automation.CompletionResult]::new(
                    $kept + $_.CompletionText, $_.ListItemText, $_.ResultType, $_.ToolTip)
            }
        }
    }
}
