"""Counts every table and figure of a small dataset a second time, without SQL: from what each question's head says.

recount.py DUCKDB DATASET NAMES RANKS    DuckDB hands over the rows of the files, no more.
Prints what golden.txt has: the name of a question, its columns, its rows.
"""

import csv
import json
import math
import re
import statistics
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

duckdb, dataset, names_file, ranks_file = sys.argv[1:]
TOP = 10
STUDY = ["smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "irc", "ircs", "xmpp-client", "xmpps-client",
         "xmpp-server", "xmpps-server", "https"]
GRID = [1, 2, 3, 4, 5, 7, 10]


def rows(table, *hashes):
    hexed = "".join(f", hex({name}) AS {name}" for name in hashes)
    exclude = f"EXCLUDE ({', '.join(hashes)})" if hashes else ""
    sql = f"SELECT * {exclude}{hexed} FROM '{dataset}/{table}/*.parquet'"
    output = subprocess.run([duckdb, "-init", "/dev/null", "-json", ":memory:", sql], check=True, capture_output=True, text=True)
    return json.loads(output.stdout or "[]")


hosts = rows("hosts")
handshakes = rows("handshakes", "chain_id", "leaf_sha256")
connections = rows("connections", "chain_id", "leaf_sha256")
certificates = {row["sha256"]: row for row in rows("certificates", "sha256", "spki_sha256", "der")}
verdicts = {row["chain_id"]: row for row in rows("verdicts", "chain_id", "leaf_sha256")}
prefixes = rows("prefixes")
chain_sql = f"SELECT hex(chain_id) AS id, [hex(c) FOR c IN certificates] AS certificates FROM '{dataset}/chains/*.parquet'"
chains = {row["id"]: row["certificates"] for row in json.loads(subprocess.run(
    [duckdb, "-init", "/dev/null", "-json", ":memory:", chain_sql], check=True, capture_output=True, text=True).stdout)}
as_names = {int(number.removeprefix("AS")): name for number, name in csv.reader(open(names_file)) if number != "asn"}
as_ranks = {int(number): int(rank) for number, rank in csv.reader(open(ranks_file))}
run = json.load(open(f"{dataset}/run.json"))


def rounded(value, digits=2):
    """Half away from zero, as the reader of a table expects."""
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def pct(part, whole):
    return None if not whole or part is None else rounded(100.0 * part / whole)


def cell(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return str(value)


def told(name, columns, lines):
    print(name)
    for line in [columns.split(), *lines]:
        print("  " + " | ".join(cell(value) for value in line))


def place(protocol):
    return (STUDY.index(protocol) if protocol in STUDY else 98, protocol)


def groups(items, key):
    found = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def by_protocol(items):
    return sorted(groups(items, lambda row: row["protocol"]).items(), key=lambda group: place(group[0]))


def count(items, test):
    return sum(1 for item in items if test(item))


def ranked(counter):
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


# The views: of each target what came of it after all rungs; connections without those to Tor relays.
RUNGS = ["modern", "legacy", "ssl3"]
results = []
for attempts in groups(handshakes, lambda row: (row["ip"], row["port"])).values():
    reached = [row for row in attempts if row["tls_version"]]
    results.append(min(reached or attempts, key=lambda row: RUNGS.index(row["rung"])))
secured = [row for row in results if row["tls_version"]]
RELAY = re.compile(r"CN=www\.[a-z2-7]{8,20}\.(com|net)")


def to_relay(row):
    certificate = certificates.get(row["leaf_sha256"])
    names = certificate and (certificate["subject"], certificate["issuer"])
    return bool(names) and names[0] != names[1] and all(RELAY.fullmatch(name) for name in names)


def server(row):
    return (row["server_ip"], row["server_port"])


relays = {server(row) for row in connections if to_relay(row)}
monitored = [row for row in connections if server(row) not in relays]
used = [row for row in monitored if row["established"]]


def servers_of(items):
    return len({server(row) for row in items})


def verdict(row, flag):
    judged = verdicts.get(row["chain_id"])
    return judged and judged[flag]


judged = [row for row in secured if row["chain_id"] in verdicts]
valid = [row for row in judged if verdict(row, "valid")]

# Table I
protocols = {row["port"]: row["protocol"] for row in results}
lines = []
for port in {row["port"] for row in hosts if row["answer"] == "syn_ack"} | set(protocols):
    responders = count(hosts, lambda row: row["port"] == port and row["answer"] == "syn_ack")
    tls = [row for row in secured if row["port"] == port]
    leaves = len({row["leaf_sha256"] for row in tls})
    further = [other for row in tls for other in chains[row["chain_id"]][1:]
               if not (other in certificates and certificates[other]["self_issued"])]
    lines.append((protocols.get(port, f"port {port}"), port, responders, len(tls), pct(len(tls), responders), leaves,
                  pct(leaves, len(tls)), len(further), len(set(further)), pct(len(set(further)), len(further))))
lines.sort(key=lambda line: (place(line[0])[0], line[1]))
told("table1", "protocol port responders tls tls_pct certificates certificates_pct intermediates distinct_intermediates "
     "distinct_intermediates_pct", lines)

# Section III-A
ledger = run["ledger"]
silent = run["outcomes"]["silent_after_synack"]
told("noise", "port seed probes responders responders_pct never_completed never_completed_pct",
     [(run["config"]["services"][0].split(":")[1], run["config"]["seed"], ledger["probes"], ledger["answers"],
       pct(ledger["answers"], ledger["probes"]), silent, pct(silent, ledger["probes"]))])

told("table2", "protocol connections servers",
     [(name, count(group, lambda row: row["established"]), servers_of(row for row in group if row["established"]))
      for name, group in [*by_protocol(monitored), ("all", monitored)]])

# Section III-B: protocols by ALPN
chosen = Counter((row["protocol"], row["tls_alpn"]) for row in secured if row["tls_alpn"])
offers = [(row["protocol"], alpn, server(row)) for row in used for alpn in set(row["client_alpn"])]
offered = Counter(offer[:2] for offer in offers)
lines = []
for key in set(chosen) | set(offered):
    protocol = key[0]
    ours, theirs = (count(rows, lambda row: row["protocol"] == protocol) for rows in (secured, used))
    lines.append((*key, chosen[key], pct(chosen[key], ours), ours, offered[key], pct(offered[key], theirs), theirs,
                  len({offer[2] for offer in offers if offer[:2] == key})))
lines.sort(key=lambda line: (place(line[0]), -line[2], -line[5], line[1]))
told("alpn", "protocol alpn choosing_servers choosing_servers_pct of_servers connections connections_pct of_connections used_servers",
     lines)

seen = [row for row in connections if to_relay(row)]
told("tor", "protocol connections servers certificates",
     [(name, len(group), servers_of(group), len({row["leaf_sha256"] for row in group}))
      for name, group in [*by_protocol(seen), ("all", seen)]])

# Section III-B: stapled responses
known = [row for row in used if row["tls_ocsp"] is not None]
lines = []
for name in [*sorted({row["protocol"] for row in secured + known}, key=place), "all"]:
    ours = [row for row in secured if name in (row["protocol"], "all")]
    theirs = [row for row in known if name in (row["protocol"], "all")]
    stapled = [row for row in ours if row["tls_ocsp"]]
    says = Counter(row["tls_ocsp_status"] for row in stapled)
    good, revoked = says["good"], says["revoked"]
    line = (len(ours), len(stapled), pct(len(stapled), len(ours)), good, revoked, len(stapled) - good - revoked)
    stapled = [row for row in theirs if row["tls_ocsp"]]
    passive = (len(theirs), len(stapled), pct(len(stapled), len(theirs)), servers_of(stapled))
    lines.append((name, *(line if ours else [None] * 6), *(passive if theirs else [None] * 4)))
told("ocsp", "protocol servers stapling stapling_pct good revoked other_status connections stapled_connections "
     "stapled_connections_pct stapling_used_servers", lines)

# Table III
UPGRADABLE = ["smtp", "submission", "imap", "pop3", "irc", "xmpp-client", "xmpp-server", "managesieve"]
lines = []
for name in UPGRADABLE:
    responders = count(hosts, lambda row: row["answer"] == "syn_ack" and protocols.get(row["port"]) == name)
    ours = [row for row in results if row["protocol"] == name]
    theirs = [row for row in monitored if row["protocol"] == name and row["starttls_offered"] is not None]
    if not (responders or ours or theirs):
        continue
    upgraded = count(ours, lambda row: row["tls_version"])
    line = [name, responders, count(ours, lambda row: row["starttls_offered"]), upgraded, pct(upgraded, responders)]
    offering = [row for row in theirs if row["starttls_offered"]]
    line += [servers_of(theirs), pct(servers_of(offering), servers_of(theirs)), len(theirs), pct(len(offering), len(theirs)),
             pct(count(theirs, lambda row: row["established"]), len(theirs))] if theirs else [None] * 5
    lines.append(line)
told("table3", "protocol responders offered upgraded upgraded_pct servers supporting_servers_pct connections "
     "offering_connections_pct upgraded_connections_pct", lines)


def both(name, columns, keys, ours, theirs, order, more=lambda key: ()):
    """Servers and connections by key, in % of `whole` of the key."""
    ours, theirs = Counter(map(keys, ours)), Counter(map(keys, theirs))
    ours.pop(None, None), theirs.pop(None, None)
    lines = []
    for key in sorted(set(ours) | set(theirs), key=lambda key: order(key, ours[key], theirs[key])):
        # Of a key of two parts the first is the population.
        alike = [other for other in set(ours) | set(theirs) if not isinstance(key, tuple) or other[0] == key[0]]
        whole = sum(ours[other] for other in alike), sum(theirs[other] for other in alike)
        parts = key if isinstance(key, tuple) else (key,)
        lines.append((*parts, *more(key), ours[key], pct(ours[key], whole[0]), theirs[key], pct(theirs[key], whole[1])))
    told(name, columns + " servers servers_pct connections connections_pct", lines)


both("table4", "version", lambda row: row["tls_version"], secured, used, lambda key, *_: key)
CLASSES = ["ECDHE", "DHE", "AES", "RC4", "other"]
both("fig3", "protocol class", lambda row: (row["protocol"], row["tls_cipher_class"]), secured, used,
     lambda key, *_: (place(key[0]), CLASSES.index(key[1])))


def hybrid(group):
    return "MLKEM" in (group or "").upper()


both("curves", "group kind", lambda row: row["tls_group"] if row["tls_cipher_class"] == "ECDHE" else None, secured, used,
     lambda key, ours, theirs: (-ours, -theirs, key), lambda key: ("hybrid" if hybrid(key) else "curve",))


def prime(row):
    named = re.fullmatch("ffdhe([0-9]+)", row["tls_group"] or "")
    return row["tls_dh_bits"] or (int(named[1]) if named else None)


both("dh", "bits", lambda row: prime(row) if row["tls_cipher_class"] == "DHE" else None, secured, used, lambda key, *_: key)


# Figures 4 and 5
def broken(row):
    return (verdict(row, "missing_intermediate") or verdict(row, "unknown_root")) and not verdict(row, "self_signed")


def other_fault(row):
    return verdict(row, "other") or verdict(row, "bad_signature") or verdict(row, "not_yet_valid")


FAULTS = [lambda row: verdict(row, "valid"), lambda row: verdict(row, "self_signed"), lambda row: verdict(row, "expired"),
          broken, other_fault]
told("fig4", "protocol servers valid_pct self_signed_pct expired_pct broken_pct other_pct",
     [(name, len(group), *(pct(count(group, fault), len(group)) for fault in FAULTS)) for name, group in by_protocol(judged)])
lines = []
for name, group in by_protocol([row for row in used if row["chain_id"] in verdicts]):
    of_servers = groups(group, server).values()
    shares = [pct(count(of_servers, lambda rows: all(map(FAULTS[0], rows))), len(of_servers))]
    shares += [pct(count(of_servers, lambda rows, fault=fault: any(map(fault, rows))), len(of_servers)) for fault in FAULTS[1:]]
    lines.append((name, len(of_servers), *shares, len(group), *(pct(count(group, fault), len(group)) for fault in FAULTS)))
kinds = ["valid", "self_signed", "expired", "broken", "other"]
told("fig5", " ".join(["protocol servers", *(f"servers_{kind}_pct" for kind in kinds), "connections",
                       *(f"connections_{kind}_pct" for kind in kinds)]), lines)

named = Counter((row["protocol"], certificates[row["leaf_sha256"]]["subject_cn"]) for row in secured
                if row["protocol"].startswith("xmpp"))
whole = Counter(row["protocol"] for row in secured)
told("xmpp-names", "protocol common_name servers servers_pct of_servers",
     [(*key, n, pct(n, whole[key[0]]), whole[key[0]]) for key, n in ranked(named)])


# Figures 6 and 7
def spread(frequencies):
    """Of how often each occurs: how many do so on at least that many."""
    for least in (least for least in GRID if least <= max(frequencies)):
        yield least, count(frequencies, lambda times: times >= least), count(frequencies, lambda times: times == least)


for name, items in ("fig6a", secured), ("fig6b", valid), ("fig6c", [row for row in judged if verdict(row, "self_signed")]):
    lines = []
    for protocol, group in by_protocol(items):
        frequencies = list(Counter(row["leaf_sha256"] for row in group).values())
        lines += [(protocol, least, n, rounded(100.0 * n / len(frequencies), 6), len(frequencies))
                  for least, n, _ in spread(frequencies)]
    told(name, "protocol addresses on_that_many certificates_pct certificates", lines)
places = {(row["protocol"], certificates[row["leaf_sha256"]]["spki_sha256"], row["ip"]) for row in secured}
lines = []
for protocol in [*sorted({item[0] for item in places}, key=place), "all"]:
    found = {item[1:] for item in places if protocol in (item[0], "all")}
    frequencies = list(Counter(key for key, _ in found).values())
    lines += [(protocol, least, exactly, pct(exactly, len(frequencies)), rounded(100.0 * n / len(frequencies), 6), len(frequencies))
              for least, n, exactly in spread(frequencies)]
told("fig7", "protocol addresses exactly exactly_pct keys_pct keys", lines)

# Tables V to VII
invalid = [row for row in judged if not verdict(row, "valid")]
lines = []
for protocol in ["smtp", "imaps", "xmpp-client"]:
    frequent = ranked(Counter(row["leaf_sha256"] for row in invalid if row["protocol"] == protocol))[:TOP]
    lines += [(protocol, rank, certificates[sha256]["subject_cn"], n, sha256[:16].lower())
              for rank, (sha256, n) in enumerate(frequent, 1)]
told("table5", "protocol rank common_name servers certificate", lines)


def system(ip):
    return next((row["origin_as"] for row in prefixes if row["first_ip"] <= ip <= row["last_ip"]), None)


sha256 = ranked(Counter(row["leaf_sha256"] for row in invalid))[0][0]
suspicious = groups([row for row in invalid if row["leaf_sha256"] == sha256], lambda row: system(row["ip"]))
told("table6", "asn registration rank servers addresses common_name",
     [(asn, as_names.get(asn), as_ranks.get(asn), len(group), len({row["ip"] for row in group}), certificates[sha256]["subject_cn"])
      for asn, group in sorted(suspicious.items())])
lines = []
seen = [row for row in used if row["leaf_sha256"]]
for protocol, group in [*by_protocol(seen), ("all", seen)]:
    several = [rows for rows in groups(group, lambda row: row["leaf_sha256"]).values() if len({row["server_ip"] for row in rows}) > 1]
    fine = count(several, lambda rows: any(verdict(row, "valid") for row in rows))
    all_of_them = len({row["leaf_sha256"] for row in group})
    lines.append((protocol, all_of_them, len(several), pct(len(several), all_of_them), fine, pct(fine, len(several))))
told("table7", "protocol certificates duplicates duplicates_pct valid_duplicates valid_duplicates_pct", lines)
lines = []
for protocol, group in by_protocol(judged):
    fine = [row for row in group if verdict(row, "valid")]
    direct = count(fine, lambda row: verdict(row, "issued_by_root_directly"))
    lines.append((protocol, len(fine), direct, pct(direct, len(fine))))
told("direct-issue", "protocol valid_servers direct direct_pct", lines)

# Tables VIII to XIII and what goes with them
advertising = [row for row in secured if row["auth_after"]]
for protocol, singles, lists in ("submission", "table8", "table10"), ("imaps", "table9", "table11"):
    group = [row["auth_after"] for row in advertising if row["protocol"] == protocol]
    told(singles, "mechanism advertised servers_pct of_servers",
         [(name, n, pct(n, len(group)), len(group)) for name, n in ranked(Counter(name for words in group for name in set(words)))])
    told(lists, "mechanisms servers servers_pct",
         [(name, n, pct(n, len(group))) for name, n in ranked(Counter(", ".join(words) for words in group))])
lines = []
for protocol, group in by_protocol([row for row in advertising if row["protocol"] in ("submission", "imaps")]):
    plain = {"PLAIN", "LOGIN"}
    tests = [lambda words: plain & set(words), lambda words: set(words) <= plain, lambda words: words[0] in plain,
             lambda words: any(word.startswith(("CRAM-", "DIGEST-", "SCRAM-")) for word in words)]
    lines.append((protocol, len(group), *(pct(count(group, lambda row, test=test: test(row["auth_after"])), len(group)) for test in tests)))
told("plain-login", "protocol servers any_plaintext_pct only_plaintext_pct plaintext_first_pct challenge_pct", lines)
submissions = [row for row in monitored if row["protocol"] == "submission"]
whole = len(submissions), servers_of(submissions)
by_name = [(name, server(row)) for row in submissions for name in set(row["auth_before"])]
by_list = [(", ".join(row["auth_before"]), server(row)) for row in submissions if row["auth_before"]]
for name, key, pairs in ("table12", "mechanism", by_name), ("table13", "mechanisms", by_list):
    lines = []
    for word, n in ranked(Counter(word for word, _ in pairs)):
        offering = len({at for other, at in pairs if other == word})
        lines.append((word, n, pct(n, whole[0]), whole[0], offering, pct(offering, whole[1]), whole[1]))
    told(name, f"{key} connections connections_pct of_connections servers servers_pct of_servers", lines)
lines = []
for protocol, group in by_protocol([row for row in monitored if row["protocol"] in UPGRADABLE and not row["established"]]):
    logins = count(group, lambda row: row["auth_clear"])
    plain = count(group, lambda row: row["auth_clear"] in ("PLAIN", "LOGIN", "USER", "LOGIN command", "PASS", "jabber:iq:auth"))
    lines.append((protocol, len(group), logins, pct(logins, len(group)), plain, pct(plain, len(group))))
told("clear-login", "protocol connections logins logins_pct plaintext plaintext_pct", lines)


def disabled(row):
    return "LOGINDISABLED" in (word.upper() for word in row["capabilities_before"])


ours = [row for row in results if row["protocol"] == "imap" and row["capabilities_before"]]
theirs = [row for row in monitored if row["protocol"] == "imap" and row["capabilities_before"]]
refusing = [row for row in theirs if disabled(row)]
told("logindisabled", "protocol servers logindisabled_servers servers_pct used_servers used_servers_pct connections connections_pct",
     [("imap", len(ours), count(ours, disabled), pct(count(ours, disabled), len(ours)), servers_of(theirs),
       pct(servers_of(refusing), servers_of(theirs)), len(theirs), pct(len(refusing), len(theirs)))])


# Since 2015
def exchange(row):
    group, bits, kind = row["tls_group"], row["tls_dh_bits"], row["tls_cipher_class"]
    if hybrid(group):
        return "hybrid", group
    if kind == "DHE" or (group or "").startswith("ffdhe"):
        return "finite field", group or f"prime of {bits} bits"
    return ("curve", group) if group else ("static", "none")


exchanges = Counter(map(exchange, secured)), Counter(map(exchange, used))
told("key-exchange", "kind group servers servers_pct connections connections_pct",
     [(*key, exchanges[0][key], pct(exchanges[0][key], len(secured)), exchanges[1][key], pct(exchanges[1][key], len(used)))
      for key in sorted(set(exchanges[0]) | set(exchanges[1]), key=lambda key: (-exchanges[0][key], -exchanges[1][key], key))])
told("hidden", "version connections seen_pct hidden_pct none_pct resumed_pct",
     [(name, len(group), *(pct(count(group, lambda row: row["certificates"] == word), len(group)) for word in ("seen", "hidden", "none")),
       pct(count(group, lambda row: row["resumed"]), len(group)))
      for name, group in sorted(groups(used, lambda row: row["tls_version"]).items())])


def by_certificate(name, columns, key, more=lambda key: ()):
    by_server = Counter(key(certificates[row["leaf_sha256"]]) for row in secured)
    each = Counter(key(certificates[sha256]) for sha256 in {row["leaf_sha256"] for row in secured})
    told(name, columns, [(word, *more(word), n, pct(n, len(secured)), each[word], pct(each[word], sum(each.values())))
                         for word, n in ranked(by_server)])


COLUMNS = "servers servers_pct certificates certificates_pct"
by_certificate("keys", f"key {COLUMNS}",
               lambda row: f"EC {row['key_curve']}" if row["key_curve"] else
               f"RSA {row['key_bits']}" if row["key_type"] == "RSA" else row["key_type"])
by_certificate("signatures", f"algorithm weak {COLUMNS}", lambda row: row["signature_algorithm"],
               lambda word: ("yes" if "sha1" in word else "no",))


def issuer(row):
    organisation = re.search(r"(?:^|,)O=((?:\\.|[^,\\])*)", row["issuer"])
    name = organisation[1].replace("\\,", ",") if organisation else row["issuer_cn"]
    return "(self-issued)" if row["self_issued"] else name


by_certificate("issuers", f"issuer {COLUMNS}", issuer)
lives = groups([certificates[sha256] for sha256 in {row["leaf_sha256"] for row in secured}],
               lambda row: "by itself" if row["self_issued"] else "by another")


def days(row):
    start, end = (datetime.fromisoformat(row[name]) for name in ("not_before", "not_after"))
    return (end - start) / timedelta(days=1)


lines = []
for name, group in sorted(lives.items()):
    spans = [days(row) for row in group]
    edges = [-math.inf, 0, 10, 100, 398, 1188, math.inf]
    lines.append((name, len(spans), int(rounded(statistics.median(spans), 0)),
                  *(pct(count(spans, lambda span: low < span <= high), len(spans)) for low, high in zip(edges, edges[1:]))))
told("lifetimes", "issued certificates median_days never_pct to_10_days_pct to_100_days_pct to_398_days_pct to_1188_days_pct "
     "longer_pct", lines)


def shares(name, columns, items, *tests):
    told(name, columns, [(protocol, len(group), *(pct(count(group, test), len(group)) for test in tests))
                         for protocol, group in by_protocol(items)])


def logged(row):
    return certificates[row["leaf_sha256"]]["scts"]


shares("scts", "protocol servers any_pct in_certificate_pct in_tls_pct", secured,
       lambda row: logged(row) or row["tls_scts"], logged, lambda row: row["tls_scts"])
told("weak", "protocol valid_servers sha1_pct md5_pct short_rsa_pct version_1_pct",
     [(protocol, len(fine), *(pct(count(fine, lambda row: verdict(row, flag)), len(fine))
                              for flag in ("weak_sha1", "weak_md5", "weak_rsa", "weak_v1")))
      for protocol, group in by_protocol(judged) for fine in [[row for row in group if verdict(row, "valid")]]])


def has(test):
    return lambda row: any(map(test, row["auth_after"]))


shares("mechanisms", "protocol servers scram_pct scram_plus_pct oauth_pct external_pct plaintext_pct", advertising,
       has(lambda word: word.startswith("SCRAM-")), has(lambda word: word.startswith("SCRAM-") and word.endswith("-PLUS")),
       has(lambda word: word in ("OAUTHBEARER", "XOAUTH2")), has(lambda word: word == "EXTERNAL"),
       has(lambda word: word in ("PLAIN", "LOGIN")))
lines = []
for protocol, group in by_protocol([row for row in secured if row["protocol"] in ("smtp", "smtps", "submission") and row["capabilities_after"]]):
    def share(word):
        return pct(count(group, lambda row: word in row["capabilities_after"]), len(group))
    lines.append((protocol, len(group), count(group, lambda row: "REQUIRETLS" in row["capabilities_after"]), share("REQUIRETLS"),
                  share("SMTPUTF8"), share("CHUNKING"), share("PIPELINING"), share("STARTTLS")))
told("requiretls", "protocol servers requiretls requiretls_pct smtputf8_pct chunking_pct pipelining_pct starttls_again_pct", lines)
DIRECT = {"smtps": "submission", "imaps": "imap", "pop3s": "pop3", "ircs": "irc", "xmpps-client": "xmpp-client",
          "xmpps-server": "xmpp-server"}
ports = groups([row for row in secured if row["protocol"] not in ("smtp", "https", "managesieve")],
               lambda row: (DIRECT.get(row["protocol"], row["protocol"]), row["ip"]))
ways = {}
for (service, _), group in ports.items():
    way = {row["protocol"] in DIRECT for row in group}
    ways.setdefault(service, []).append("both" if len(way) == 2 else "direct" if True in way else "starttls")
told("implicit-tls", "service addresses direct_only_pct both_pct starttls_only_pct",
     [(service, len(found), *(pct(found.count(way), len(found)) for way in ("direct", "both", "starttls")))
      for service, found in sorted(ways.items(), key=lambda item: place(item[0]))])
lines = []
for protocol, group in by_protocol([row for row in results if row["starttls_accepted"]]):
    injecting = [row for row in group if row["starttls_injected"]]
    lines.append((protocol, len(group), len(injecting), pct(len(injecting), len(group)), count(injecting, lambda row: row["tls_version"])))
told("injection", "protocol servers injecting injecting_pct injecting_and_tls", lines)

# Beyond the paper
told("outcomes", "protocol outcome servers servers_pct",
     [(protocol, outcome, n, pct(n, len(group))) for protocol, group in by_protocol(results)
      for outcome, n in ranked(Counter(row["outcome"] for row in group))])
shares("rungs", "protocol servers modern_pct legacy_pct ssl3_pct", secured,
       *(lambda row, rung=rung: row["rung"] == rung for rung in RUNGS))
lines = []
for protocol, group in by_protocol([row for row in results if row["greeting_us"] is not None]):
    for name, n in ranked(Counter(row["software"] or "unnamed" for row in group)):
        tls = count(group, lambda row: (row["software"] or "unnamed") == name and row["tls_version"])
        lines.append((protocol, name, n, pct(n, len(group)), len(group), tls, pct(tls, n)))
told("software", "protocol software servers servers_pct of_servers tls tls_pct", lines)
where = groups(results, lambda row: system(row["ip"]) or 0)
called = groups([rows for rows in groups(monitored, server).values()], lambda rows: system(rows[0]["server_ipv4"]) or 0)
lines = []
for asn in set(where) | set(called):
    ours, theirs = where.get(asn, []), called.get(asn, [])
    tls = count(ours, lambda row: row["tls_version"]), count(theirs, lambda rows: any(row["established"] for row in rows))
    lines.append((asn, as_names.get(asn), as_ranks.get(asn), len(ours), tls[0], pct(tls[0], len(ours)),
                  len(theirs), tls[1], pct(tls[1], len(theirs))))
lines.sort(key=lambda line: (-line[3], -line[6], line[0]))
told("networks", "asn registration rank servers tls tls_pct used_servers used_tls used_tls_pct", lines)
