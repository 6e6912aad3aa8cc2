# shellcheck shell=bash
# Courier's IMAP and POP3 daemons, each port a couriertcpd as its own start scripts make them.

write_courier() {
    local address=198.18.5.20
    server $address 143 imap "Courier: STARTTLS"
    server $address 993 imaps "Courier"
    server $address 110 pop3 "Courier: STLS"
    server $address 995 pop3s "Courier"
    cat "$dir/pki/imap.key" "$dir/pki/imap.chain" >"$dir/courier.pem"
    chmod 600 "$dir/courier.pem"
    chown courier "$dir/courier.pem"    # STARTTLS reads it as that user
    cat >"$dir/courier.env" <<CONF
ADDRESS=$address
TLS_CERTFILE=$dir/courier.pem
TLS_DHPARAMS=
TLS_VERIFYPEER=NONE
TLS_STARTTLS_PROTOCOL=
TLS_PROTOCOL=
COURIERTLS=/usr/bin/couriertls
MAILDIRPATH=Maildir
IMAP_CAPABILITY='IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT SORT QUOTA AUTH=CRAM-MD5 IDLE'
IMAP_CAPABILITY_TLS="\$IMAP_CAPABILITY AUTH=PLAIN"
IMAP_STARTTLS=YES
IMAP_TLS_REQUIRED=0
POP3AUTH='LOGIN CRAM-MD5'
POP3AUTH_TLS='LOGIN PLAIN'
POP3_STARTTLS=YES
POP3_TLS_REQUIRED=0
CONF
}

# A listener: port, name of the daemon, user program and its arguments.
courier_listener() {
    local port=$1
    shift
    /usr/sbin/couriertcpd -address="$ADDRESS" -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup "$port" "$@" &
}

serve_courier() (
    set -a
    # shellcheck source=/dev/null
    . "$dir/courier.env"
    local imap=(/usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir)
    local pop3=(/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir)
    courier_listener 143 "${imap[@]}"
    courier_listener 110 "${pop3[@]}"
    IMAP_TLS=1 courier_listener 993 "$COURIERTLS" -server -tcpd -user=courier "${imap[@]}"
    POP3_TLS=1 courier_listener 995 "$COURIERTLS" -server -tcpd -user=courier "${pop3[@]}"
)
