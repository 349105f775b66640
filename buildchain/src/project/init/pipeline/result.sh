# Writes the result of the job. A job that stops before its last step leaves "failed".
xml() {
    printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}
result() {
    failures=0 failure=
    if [ "$1" = failed ]; then
        failures=1 failure='<failure message="the job stopped before its last step"/>'
    fi
    mkdir -p _pipeline/status _pipeline/junit
    echo "$1" > "_pipeline/status/$STEP_NAME"
    {
        echo '<?xml version="1.0" encoding="UTF-8"?>'
        echo "<testsuite name=\"$(xml "$TEST_SUITE")\" tests=\"1\" failures=\"$failures\" errors=\"0\">"
        echo "<properties><property name=\"step\" value=\"$(xml "$STEP_NAME")\"/></properties>"
        echo "<testcase classname=\"$(xml "$CLASS_NAME")\" name=\"$(xml "$TEST_NAME")\">$failure</testcase>"
        echo '</testsuite>'
    } > "_pipeline/junit/$STEP_NAME.xml"
}
