"""What the functions cost, measured on their built artefacts: `make bench`; and the bill: `make price MAU=100000`.

Lambda's own runtime client starts each function out of `.aws-sam/build`, this package plays Lambda and AWS to it, and
every figure is compared with that of a plain boto3 client on the same machine in the same round: milliseconds differ
between machines, ratios hardly. The results go to `docs/performance.md` and `tools/gerbang_bench/measured.json`, which
only this command writes.

    builds       what `sam build` left, laid out as Lambda mounts it; the runtime client; the case to compare with
    runtime_api  Lambda's side of its Runtime API
    environments one execution environment: a process, its init, its invocations
    events       events of API Gateway
    stand_ins    DynamoDB (DynamoDB Local behind it), Secrets Manager, SQS, SES over TLS; every call counted
    worlds       accounts, sessions, codes: what events are about
    scenarios    for each function, events that succeed; `supabase_scenarios` has those of Supabase Auth
    measuring    rounds, samples, medians and paired ratios
    memory       which memory setting a function should have
    traffic      requests a second through `make run`
    benches      a whole run, and its results as JSON
    prices       the monthly bill, here and with Cognito; `bill` is its command
    reports      the page
"""
