# shellcheck shell=bash
# Cyrus IMAP: mechanisms are those of Cyrus SASL's plug-ins.

write_cyrus() {
    local address=198.18.5.30 conf=$dir/cyrus
    mkdir -p "$conf"/{lib/db,lib/socket,run/proc,run/lock,spool}
    install -o cyrus -m 400 "$dir/pki/imap.key" "$conf/imap.key"
    server $address 143 imap "Cyrus: STARTTLS"
    server $address 993 imaps "Cyrus: SCRAM with channel binding inside TLS"
    server $address 110 pop3 "Cyrus: STLS"
    server $address 995 pop3s "Cyrus: SCRAM with channel binding inside TLS"
    cat >"$conf/imapd.conf" <<CONF
configdirectory: $conf/lib
proc_path: $conf/run/proc
mboxname_lockpath: $conf/run/lock
defaultpartition: default
partition-default: $conf/spool
servername: cyrus.example
allowplaintext: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
tls_server_cert: $dir/pki/imap.chain
tls_server_key: $conf/imap.key
syslog_prefix: cyrus
CONF
    cat >"$conf/cyrus.conf" <<CONF
START {
}
SERVICES {
  imap cmd="imapd -C $conf/imapd.conf" listen="$address:143" proto="tcp4"
  imaps cmd="imapd -s -C $conf/imapd.conf" listen="$address:993" proto="tcp4"
  pop3 cmd="pop3d -C $conf/imapd.conf" listen="$address:110" proto="tcp4"
  pop3s cmd="pop3d -s -C $conf/imapd.conf" listen="$address:995" proto="tcp4"
}
EVENTS {
}
CONF
    chown -R cyrus:mail "$conf"
}

serve_cyrus() {
    /usr/lib/cyrus/bin/master -C "$dir/cyrus/imapd.conf" -M "$dir/cyrus/cyrus.conf" -p "$dir/cyrus/pid" &
}
